"""Full weights from registering to every engine, through the operator's client, a real ledger and fake engines."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from gateway.admin.client import AdminRefused
from gateway.ledger.swap_tables import WeightSwapRow
from tests.fakes.managed_engine import ManagedEngine, managed_engine
from tests.gateway.admin.conftest import House, in_time, open_house
from tests.gateway.admin.weights.conftest import make_model

pytestmark = pytest.mark.slow  # seconds each, in which other gateways would learn of every step
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Fleet:
    """Two managed engines behind a gateway."""

    house: House
    engines: tuple[ManagedEngine, ManagedEngine]
    addresses: tuple[str, ...]

    def model(self, name, seed=1):
        """Full weights of the base's shapes."""
        return make_model(self.house.folder / name, seed)

    def said(self, text="Hello"):
        """The version that an answer names, and the weights that gave it."""
        answer = self.house.ask(text)
        assert answer.status_code == 200, answer.text
        words = answer.json()["choices"][0]["message"]["content"].split()
        return answer.headers["x-trimtab-version"], words[0]


@pytest.fixture
def fleet(tmp_path):
    yield from fleets(tmp_path, 2)


@pytest.fixture
def single(tmp_path):
    yield from fleets(tmp_path, 1)


def fleets(folder, count):
    base = make_model(folder / "base")
    with ExitStack() as stack:
        pairs = [stack.enter_context(managed_engine(base)) for _ in range(count)]
        urls = tuple(f"{server.url}/v1" for _, server in pairs)
        told = [{"name": f"e{place}", "url": url, "managed": True} for place, url in enumerate(urls)]
        house = stack.enter_context(open_house(folder, "http://unused", pairs[0][0], engines=told))
        yield Fleet(house, tuple(fake for fake, _ in pairs), urls)


async def staged(fleet, admin, name, seed=1):
    await admin.register(fleet.model(name, seed), name)
    await admin.stage(name)


async def test_a_swap_reaches_every_engine_and_answers_name_the_weights_that_gave_them(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        assert fleet.said() == ("base", "base")
        rollout = await admin.roll_out("assistant", {"new": 1.0}, "better")
    assert (rollout.before, rollout.after) == ({"base": 1.0}, {"new": 1.0})
    assert [each.weights for each in fleet.engines] == ["new", "new"]
    assert {fleet.said(f"Hello {n}") for n in range(6)} == {("new", "new")}
    assert fleet.said() == ("new", "new"), "the same prompt as before, from a prefix cache of its own"


async def test_nobody_is_left_without_an_answer_meanwhile(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        swapping = asyncio.create_task(admin.roll_out("assistant", {"new": 1.0}, "better"))
        told = []
        while not swapping.done():
            told.append(await asyncio.to_thread(fleet.said, f"Hello {len(told)}"))
        await swapping
    assert {version for version, _ in told} == {"base", "new"}
    assert all(version == weights for version, weights in told)


async def test_a_rollback_brings_the_weights_back_that_engines_started_with(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        await admin.roll_out("assistant", {"new": 1.0}, "better")
        rollback = await admin.roll_back("assistant", "worse after all")
    assert rollback.after == {"base": 1.0}
    assert {fleet.said(f"Hello {n}") for n in range(4)} == {("base", "base")}
    assert [each.version for each in fleet.engines] == ["default", "default"]


async def test_a_canary_gets_an_engine_of_its_own(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        await admin.roll_out("assistant", {"base": 0.5, "new": 0.5}, "half")
    assert {each.weights for each in fleet.engines} == {"base", "new"}
    told = {fleet.said(f"Hello {n}") for n in range(30)}
    assert told == {("base", "base"), ("new", "new")}


async def test_weights_that_an_engine_cannot_load_leave_the_alias_where_it_was(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        for each in fleet.engines:
            each.fails_on = {"new"}
        with pytest.raises(AdminRefused, match="could not be loaded") as refused:
            await admin.roll_out("assistant", {"new": 1.0}, "better")
        assert refused.value.code == "swap_failed"
        assert await admin.rollouts() == {"assistant": {"base": 1.0}}
        assert {fleet.said(f"Hello {n}") for n in range(4)} == {("base", "base")}
        assert sorted(each.dead for each in fleet.engines) == [False, True]


async def test_a_lost_engine_that_was_started_again_gets_what_is_in_force(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        await admin.roll_out("assistant", {"new": 1.0}, "better")
        fleet.engines[1].start()  # by its supervisor: with what it began with
        await in_time(lambda: fleet.engines[1].version == "new", 15)
        assert {fleet.said(f"Hello {n}") for n in range(6)} == {("new", "new")}


async def test_the_only_engine_is_swapped_when_a_gap_is_allowed(single):
    async with single.house.admin() as admin:
        await staged(single, admin, "new")
        with pytest.raises(AdminRefused, match="nobody would answer") as refused:
            await admin.roll_out("assistant", {"new": 1.0}, "better")
        assert refused.value.code == "gap"
        assert single.said() == ("base", "base")
        with single.house.http() as http:
            told = {"alias": "assistant", "weights": {"new": 1.0}, "cause": "at night", "allow_gap": True}
            assert http.post("/admin/rollouts", json=told).status_code == 200
    assert single.said() == ("new", "new")


async def test_bad_weights_are_refused_before_an_engine_hears_of_them(fleet):
    async with fleet.house.admin() as admin:
        path = fleet.model("bad")
        file = path / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-8])
        await admin.register(path, "bad")
        with pytest.raises(AdminRefused, match=r"model\.safetensors"):
            await admin.stage("bad")
        with pytest.raises(AdminRefused, match="not staged"):
            await admin.roll_out("assistant", {"bad": 1.0}, "better")
    assert not any(each.orders for each in fleet.engines)


async def test_files_that_changed_since_they_were_registered_are_refused(fleet):
    async with fleet.house.admin() as admin:
        path = fleet.model("new")
        await admin.register(path, "new")
        (path / "tokenizer.json").write_text('{"other": true}')
        with pytest.raises(AdminRefused, match="have changed"):
            await admin.stage("new")


async def test_a_swap_that_its_gateway_left_undone_is_carried_on(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        for each in fleet.engines:
            each.slow_seconds = 0.5  # the probe of the first engine
        swapping = asyncio.create_task(admin.roll_out("assistant", {"new": 1.0}, "better"))
        await in_time(lambda: any("/pause" in each.orders for each in fleet.engines))
        database = fleet.house.tools.ledger.database
        async with database.write() as connection:  # as if another gateway had begun it, and died at once
            await connection.execute(update(WeightSwapRow).values(owner="dead", lease_until=LONG_AGO))
        with pytest.raises(AdminRefused, match="taken this swap over"):
            await swapping
        await in_time(lambda: [each.version for each in fleet.engines] == ["new", "new"], 20)
        for each in fleet.engines:
            each.slow_seconds = 0.0
        await in_time(lambda: fleet.said()[0] == "new")
        assert await admin.rollouts() == {"assistant": {"new": 1.0}}


async def test_without_managed_engines_full_weights_have_nowhere_to_go(house, tmp_path):
    async with house.admin() as admin:
        await admin.register(make_model(tmp_path / "full"), "full")
        with pytest.raises(AdminRefused, match="no engine here is managed") as refused:
            await admin.stage("full")
    assert refused.value.code == "not_managed"


async def test_an_engine_that_fails_once_traffic_has_gone_over_is_brought_along_later(fleet):
    first, second = fleet.engines
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        second.fails_on = {"new"}
        rollout = await admin.roll_out("assistant", {"new": 1.0}, "better")
        assert rollout.after == {"new": 1.0}
        assert (first.weights, second.dead) == ("new", True)
        assert {fleet.said(f"Hello {n}") for n in range(4)} == {("new", "new")}
        second.fails_on = set()
        second.start()
        await in_time(lambda: second.version == "new", 15)


async def test_one_swap_at_a_time(fleet):
    async with fleet.house.admin() as admin, fleet.house.admin() as other:
        await staged(fleet, admin, "new")
        await staged(fleet, admin, "newer", seed=2)
        swapping = asyncio.create_task(admin.roll_out("assistant", {"new": 1.0}, "better"))
        await in_time(lambda: any(each.orders for each in fleet.engines))
        with pytest.raises(AdminRefused) as refused:
            await other.roll_out("assistant", {"newer": 1.0}, "better still")
        assert refused.value.code == "swapping"
        await swapping


async def test_a_drained_engine_gets_nothing_until_it_is_back(fleet):
    async with fleet.house.admin() as admin:
        await staged(fleet, admin, "new")
        with fleet.house.http() as http:
            http.post("/admin/engines/e1/drain", json={"cause": "maintenance"}).raise_for_status()
        with pytest.raises(AdminRefused, match="nobody would answer"):
            await admin.roll_out("assistant", {"new": 1.0}, "better")
        assert not any(each.orders for each in fleet.engines)


async def test_another_gateway_takes_the_engine_out_too_and_answers_with_the_same_weights(fleet):
    ledger = {"url": f"sqlite+aiosqlite:///{fleet.house.folder / 'home' / 'ledger.db'}"}
    told = [{"name": f"e{n}", "url": url, "managed": True} for n, url in enumerate(fleet.addresses)]
    elsewhere = fleet.house.folder / "elsewhere"
    with open_house(elsewhere, "http://unused", fleet.engines[0], engines=told, ledger=ledger) as second:
        other = Fleet(second, fleet.engines, fleet.addresses)
        async with fleet.house.admin() as admin:
            await staged(fleet, admin, "new")
            swapping = asyncio.create_task(admin.roll_out("assistant", {"new": 1.0}, "better"))
            replicas, said, out = second.tools.engine.replicas, set(), set()
            while not swapping.done():
                out |= {each.name for each in replicas if each.swapping}
                said.add(await asyncio.to_thread(other.said, f"Hello {len(said)}"))
            await swapping
        await in_time(lambda: other.said("Hello at last") == ("new", "new"))
    assert out == {"e0", "e1"}
    assert said <= {("base", "base"), ("new", "new")}
