"""Swaps of full weights on a real PostgreSQL: begun once, owned once, and carried on when gateway or database die."""

import asyncio
import json
import shutil
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import func, select, update

from gateway.admin.client import AdminClient, AdminFailed, AdminRefused
from gateway.admin.rollouts import Rollouts
from gateway.admin.trail import Change
from gateway.admin.versions import Version, Versions
from gateway.admin.weights.book import Book, TakenOver
from gateway.admin.weights.operating import How
from gateway.errors import Conflict
from gateway.ledger.database import Database
from gateway.ledger.swap_tables import WeightSwapRow
from gateway.ledger.tables import TransitionRow
from gateway.tenants.keys import KeyStore
from tests.bench.loop.killing.parts import Gateway, Postgres
from tests.fakes.managed_engine import ManagedEngine, managed_engine
from tests.gateway.admin.conftest import in_time
from tests.gateway.admin.weights.conftest import make_model
from tests.gateway.admin.weights.test_swapping import LONG_AGO

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("initdb"), reason="no PostgreSQL is installed"),
]
CHANGE = Change("rollout", "assistant", {}, {}, "better")
NEW = {"new": 1.0}
ROLES = ("application", "admin")


@pytest.fixture
def server(tmp_path):
    server = Postgres(tmp_path / "postgres")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def database(server):
    async with Database(server.url) as database:
        await Versions(database).register(Version("new", "base", None, None, {}, "staged", LONG_AGO), "tests")
        yield database


def begun(book):
    return book.begin(CHANGE, NEW, "tests", None, allow_gap=False)


async def test_of_many_who_begin_at_once_one_does(database):
    told = await asyncio.gather(*(begun(Book(database)) for _ in range(6)), return_exceptions=True)
    refused = [each for each in told if isinstance(each, Conflict)]
    assert [each.code for each in refused] == ["swapping"] * 5
    assert await Book(database).running() == next(each for each in told if each not in refused)


async def test_of_many_who_take_an_abandoned_one_over_one_does(database):
    await begun(Book(database))
    async with database.write() as connection:
        await connection.execute(update(WeightSwapRow).values(lease_until=LONG_AGO))
    found = await Book(database).running()
    assert found.abandoned
    heirs = [Book(database) for _ in range(6)]
    taken = await asyncio.gather(*(each.take_over(found) for each in heirs))
    assert taken.count(True) == 1
    owner = (await Book(database).running()).owner
    assert owner == heirs[taken.index(True)].owner


async def test_who_slept_past_its_lease_changes_nothing(database):
    late, heir = Book(database), Book(database)
    swap = await begun(late)
    assert await heir.take_over(swap)
    assert not await late.renew(swap)
    with pytest.raises(TakenOver):
        await late.work_on(swap, "e0")
    await late.end(swap, "undone")
    assert (await heir.running()).out is None


async def test_who_looked_before_a_swap_began_does_not_put_weights_in_force_in_its_midst(database):
    await begun(Book(database))
    with pytest.raises(Conflict) as refused:
        await Rollouts(database).put("assistant", NEW, CHANGE, "tests", None, How().refuse)
    assert refused.value.code == "swapping"
    assert await Rollouts(database).weights() == {}


async def test_what_is_over_leaves_room_for_the_next(database):
    for _ in range(3):
        book = Book(database)
        await book.end(await begun(book), "done")
    assert await Book(database).running() is None


@dataclass
class Town:
    """Two gateways of their own processes, on one PostgreSQL, before the same two engines."""

    server: Postgres
    database: Database
    engines: list[ManagedEngine]
    gateways: list[Gateway]
    keys: dict[str, str]

    def admin(self, place=0):
        return AdminClient(self.gateways[place].admin_url, self.keys["admin"])

    def said(self, place, text="Hello"):
        """The version that an answer of one gateway names, and the weights that gave it."""
        body = {"model": "assistant", "messages": [{"role": "user", "content": text}]}
        head = {"authorization": f"Bearer {self.keys['application']}"}
        url = f"{self.gateways[place].url}/v1/chat/completions"
        answer = httpx.post(url, json=body, headers=head, timeout=60, trust_env=False)
        if answer.status_code != 200:
            return str(answer.status_code), answer.text
        words = answer.json()["choices"][0]["message"]["content"].split()
        return answer.headers["x-trimtab-version"], words[0]

    async def staged(self, folder):
        async with self.admin() as admin:
            await admin.register(make_model(folder, seed=1), "new")
            await admin.stage("new")

    async def abandoned(self):
        """As if a lease's time had passed since the owner was heard of."""
        async with self.database.write() as connection:
            await connection.execute(update(WeightSwapRow).values(lease_until=LONG_AGO))

    async def times_promoted(self):
        row = TransitionRow
        mine = (row.kind == "rollout", row.subject == "assistant", row.cause == "better")
        async with self.database.read() as connection:
            return await connection.scalar(select(func.count()).select_from(row).where(*mine))

    async def comes_to_new(self, *places):
        """Wait until engines hold the new weights, and these gateways answer by them."""
        await in_time(lambda: [each.version for each in self.engines] == ["new", "new"], 40)
        for place in places:
            await answers(self, place)


async def answers(town, place):
    """Wait until a gateway answers by the new version."""
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(town.said, place, f"Is it {time.monotonic()}?")) != ("new", "new"):
            await asyncio.sleep(0.1)


@pytest.fixture
async def town(server, tmp_path):
    base = make_model(tmp_path / "base")
    with ExitStack() as stack:
        engines = [stack.enter_context(managed_engine(base)) for _ in range(2)]
        told = [
            {"name": f"e{n}", "url": f"{behind.url}/v1", "managed": True}
            for n, (_, behind) in enumerate(engines)
        ]
        database = Database(server.url)
        await database.open()
        keys = {role: (await KeyStore(database, "tests").create(role, role))[1] for role in ROLES}
        gateways = [
            Gateway(tmp_path / name, "", server.url, settings={"ENGINES": json.dumps(told)})
            for name in ("first", "second")
        ]
        for each in gateways:
            each.home.mkdir()
            stack.callback(each.kill)
            await asyncio.to_thread(each.start)
        yield Town(server, database, [fake for fake, _ in engines], gateways, keys)
        await database.close()


async def test_two_gateways_that_are_asked_at_once_do_one_swap(town, tmp_path):
    await town.staged(tmp_path / "new")
    async with town.admin(0) as one, town.admin(1) as other:
        asked = [each.roll_out("assistant", NEW, "better") for each in (one, other)]
        told = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in told if isinstance(each, AdminRefused)]
    assert [each.code for each in refused] in (["swapping"], [])  # who asks when it is over changes nothing
    await town.comes_to_new(0, 1)
    assert await town.times_promoted() == 1
    assert [each.orders.count("/pause") for each in town.engines] == [1, 1]


async def test_nobody_is_left_without_an_answer_by_either_gateway(town, tmp_path):
    await town.staged(tmp_path / "new")
    async with town.admin() as admin:
        swapping = asyncio.create_task(admin.roll_out("assistant", NEW, "better"))
        said = set()
        while not swapping.done():
            for place in (0, 1):
                said.add(await asyncio.to_thread(town.said, place, f"Hello {len(said)} {time.monotonic()}"))
        await swapping
    assert said <= {("base", "base"), ("new", "new")}


async def test_the_swap_of_a_gateway_that_was_killed_is_carried_on_by_the_other(town, tmp_path):
    await town.staged(tmp_path / "new")
    async with town.admin(0) as admin:
        swapping = asyncio.create_task(admin.roll_out("assistant", NEW, "better"))
        await in_time(lambda: any("/pause" in each.orders for each in town.engines))
        town.gateways[0].kill()
        with pytest.raises(AdminFailed):
            await swapping
    await town.abandoned()
    await town.comes_to_new(1)
    assert await town.times_promoted() == 1
    assert not any(each.paused for each in town.engines)


async def test_a_swap_outlives_its_database(town, tmp_path):
    await town.staged(tmp_path / "new")
    async with town.admin(0) as admin:
        swapping = asyncio.create_task(admin.roll_out("assistant", NEW, "better"))
        await in_time(lambda: any("/pause" in each.orders for each in town.engines))
        town.server.kill()
        version, _ = await asyncio.to_thread(town.said, 1, "Is anybody there?")
        assert version in {"base", "new"}
        await asyncio.to_thread(town.server.start)
        with suppress(AdminFailed):  # told only where it asked the database while that was away
            await swapping
    await town.abandoned()
    await town.comes_to_new(0, 1)
    assert await town.times_promoted() == 1
    assert not any(each.paused for each in town.engines)
