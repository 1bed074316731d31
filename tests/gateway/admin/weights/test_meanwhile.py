"""While a swap of full weights is under way nobody pulls at what it leads, by whichever gateway of one ledger."""

from collections.abc import AsyncIterator

import pytest

from gateway.admin.client import AdminRefused
from gateway.admin.trail import Change
from gateway.admin.weights.book import Book
from gateway.ledger.database import Database
from tests.fakes.engine import fake_engine
from tests.gateway.admin.conftest import House, open_house

NEW = {"new": 1.0}


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[House]:
    """A gateway without a managed engine, on a ledger in which another one has begun a swap to `new`."""
    with fake_engine() as (engine, behind), open_house(tmp_path, behind.url, engine) as house:
        async with house.admin() as admin:
            for name in ("new", "old"):
                await admin.register(house.adapter(name), name)
                await admin.stage(name)
        async with Database(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}") as database:
            book = Book(database)
            swap = await book.begin(
                Change("rollout", "assistant", {}, {}, "better"), NEW, "tests", None, allow_gap=False
            )
            yield house
            await book.end(swap, "done")


async def test_weights_are_not_put_in_force(house):
    async with house.admin() as admin:
        with pytest.raises(AdminRefused) as refused:
            await admin.roll_out("assistant", {"old": 1.0}, "no, this one")
        assert refused.value.code == "swapping"
        assert (await admin.rollouts())["assistant"] == {"base": 1.0}


async def test_a_version_that_it_needs_is_not_retired(house):
    async with house.admin() as admin:
        with pytest.raises(AdminRefused) as refused:
            await admin.retire("new", 5)
        assert refused.value.code == "swapping"


async def test_another_version_is(house):
    async with house.admin() as admin:
        await admin.retire("old", 5)
        assert [each.state for each in await admin.versions() if each.id == "old"] == ["retired"]
