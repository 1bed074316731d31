"""Several gateways on one ledger, and a gateway that starts again."""

import pytest

from gateway.admin.following import operated
from gateway.settings import SettingsInvalid, load_settings
from gateway.tools import open_tools
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.gateway.admin.conftest import in_time, open_house

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks


@pytest.fixture
def engine():
    with fake_engine() as (engine, behind):
        yield engine, behind.url


@pytest.fixture
def pair(tmp_path, engine):
    """Two gateways with one ledger, each with a journal of its own."""
    fake, url = engine
    with (
        open_house(tmp_path, url, fake, ledger={"journal": tmp_path / "a"}) as first,
        open_house(tmp_path, url, fake, ledger={"journal": tmp_path / "b"}) as second,
    ):
        yield first, second


async def test_what_one_gateway_is_told_the_other_follows(pair):
    first, second = pair
    async with first.admin() as admin:
        await admin.register(first.adapter("better"), "better")
        await admin.stage("better")
        await admin.roll_out("assistant", {"better": 1.0}, "better")
        await in_time(lambda: second.ask().headers["x-trimtab-version"] == "better")
        await admin.roll_back("assistant", "worse")
        await in_time(lambda: second.ask().headers["x-trimtab-version"] == "base")
        await admin.retire("better")
        await in_time(lambda: second.ask(model="better").status_code == 404)
    assert "better" not in first.engine.adapters


async def test_a_gateway_that_starts_again_goes_on_with_what_it_was_told(tmp_path, engine):
    fake, url = engine
    with open_house(tmp_path, url, fake) as house:
        async with house.admin() as admin:
            await admin.register(house.adapter("better"), "better")
            await admin.stage("better")
            await admin.roll_out("assistant", {"better": 1.0}, "better")
    fake.adapters.clear()  # the engine was stopped as well
    with open_house(tmp_path, url, fake) as house:
        assert house.ask().headers["x-trimtab-version"] == "better"


def test_a_gateway_starts_without_its_engine(tmp_path, engine):
    fake, url = engine
    fake.healthy = False
    with open_house(tmp_path, url, fake) as house:
        with house.http("viewer") as client:
            assert client.get("/admin/health").json()["status"] == "degraded"
        fake.healthy = True
        assert until(lambda: house.tools.engine.status() == {"fake": True}, seconds=10)


async def opened_with(tmp_path, url: str, base_model: str) -> str:
    """Open a gateway on the same ledger with another base model; the name that its alias leads to."""
    engines = [{"name": "fake", "url": f"{url}/v1"}]
    settings = load_settings(home=tmp_path / "home", engines=engines, base_model=base_model)
    async with open_tools(settings) as tools, operated(tools):
        routes = tools.router.current
        return routes.models[routes.choose("assistant", "anybody")]


async def test_a_ledger_of_another_base_model_is_not_taken_over(tmp_path, engine):
    fake, url = engine
    with open_house(tmp_path, url, fake) as house:
        assert house.ask().status_code == 200
    with pytest.raises(SettingsInvalid, match="rest on"):
        await opened_with(tmp_path, url, "another")


async def test_a_base_model_on_which_nothing_rests_yet_may_be_named_anew(tmp_path, engine):
    fake, url = engine
    with open_house(tmp_path, url, fake):
        pass
    assert await opened_with(tmp_path, url, "another") == "another"
