"""Two gateways on one ledger, two workers, and a rollout under way: each move is made once, whoever dies or sleeps."""

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import insert

from finetune.rollout.book import Book, Rollout
from finetune.rollout.controller import advance
from finetune.rollout.machine import Move
from finetune.rollout.plan import RolloutRules
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import Worker
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import OutcomeRow
from tests.finetune.rollout.street import FLAGGED, LEASE_SECONDS, Street, Trail, street, trail_of

pytestmark = [
    pytest.mark.slow,  # starts a database, two gateways and workers
    pytest.mark.skipif(not shutil.which("initdb"), reason="no PostgreSQL is installed"),
]
RULES = RolloutRules(
    shadow_share=1, shadow_pairs=6, step_pairs=4, shares=(0.3, 0.6), flagged_margin=0, settle_seconds=0
)
ALL_THE_WAY = ["staged 0", "shadow 1", "canary 0.3", "canary 0.6", "live 1"]
LONGEST_SECONDS = 90.0


@pytest.fixture(scope="module")
def stood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("street")) as built:
        yield built


@pytest.fixture
async def database(stood: Street) -> AsyncIterator[Database]:
    async with Database(stood.ledger) as database:
        yield database


@asynccontextmanager
async def traffic(stood: Street) -> AsyncIterator[list[tuple[int, str]]]:
    """Conversations with both gateways by turns, for as long as the block lasts; how each was answered."""
    told: list[tuple[int, str]] = []

    async def asking() -> None:
        while True:
            told.extend(await asyncio.gather(stood.ask(0), stood.ask(1)))
            await asyncio.sleep(0.02)

    task = asyncio.create_task(asking())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait([task])


async def reached(book: Book, *states: str) -> Rollout:
    """Wait until the rollout is in one of these states."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while (rollout := (await book.latest(1))[0]).state not in states:
            await asyncio.sleep(0.05)
    return rollout


async def answered_by(stood: Street, version: str) -> None:
    """Both gateways lead to the version within their second."""
    await asyncio.sleep(1.2)
    told = await asyncio.gather(*(stood.ask(place) for place in (0, 1) * 5))
    assert set(told) == {(200, version)}


def each_once(found: Trail, version: str, baseline: str) -> None:
    """The trail of a version that went live, each move made once."""
    assert found.states == ALL_THE_WAY
    assert found.given == [
        {baseline: 0.7, version: 0.3},
        {baseline: 0.4, version: 0.6},
        {version: 1.0},
    ]
    assert found.outcomes == found.different


async def test_a_version_goes_live_by_two_workers_and_each_move_is_made_once(
    stood: Street, database: Database
) -> None:
    book = await stood.begun(database, RULES)
    async with traffic(stood) as told:
        with stood.worker(0), stood.worker(1):
            rollout = await reached(book, "live", "rolled_back", "stopped")
    each_once(await trail_of(database, rollout.id), rollout.version, rollout.baseline)
    assert {status for status, _ in told} == {200}
    await answered_by(stood, rollout.version)


async def test_a_flagged_version_is_rolled_back_once_and_on_both_gateways(
    stood: Street, database: Database
) -> None:
    book = await stood.begun(database, RolloutRules(shadow_share=0, shares=(0.5,), settle_seconds=0), FLAGGED)
    async with traffic(stood):
        with stood.worker(0), stood.worker(1):
            rollout = await reached(book, "live", "rolled_back", "stopped")
    found = await trail_of(database, rollout.id)
    assert found.states == ["staged 0", "canary 0.5", "rolled_back 0"]
    assert found.given == [{rollout.baseline: 0.5, rollout.version: 0.5}, {rollout.baseline: 1.0}]
    assert rollout.reasons[-1].startswith("flagged: ")
    await answered_by(stood, rollout.baseline)


async def test_a_version_that_was_rolled_back_leaves_the_engine(stood: Street, database: Database) -> None:
    book = await stood.begun(database, RULES)
    rollout = (await book.latest(1))[0]
    assert rollout.version in stood.engine.adapters
    await book.ask(rollout, Move("rolled_back", 0.0, "it is rude"), "ada")
    with stood.worker(0):
        async with asyncio.timeout(LONGEST_SECONDS):
            while rollout.version in stood.engine.adapters:
                await asyncio.sleep(0.05)
    await answered_by(stood, rollout.baseline)


async def test_the_other_worker_goes_on_where_one_was_killed(stood: Street, database: Database) -> None:
    book = await stood.begun(database, RULES)
    async with traffic(stood):
        with stood.worker(0) as first:
            await reached(book, "canary")
            held = (await book.latest(1))[0].owner
            first.kill()
            with stood.worker(1):
                rollout = await reached(book, "live", "rolled_back", "stopped")
    each_once(await trail_of(database, rollout.id), rollout.version, rollout.baseline)
    assert rollout.owner != held


@pytest.mark.parametrize("seed", [1, 2])
async def test_workers_that_fall_asleep_past_their_lease_act_once(
    stood: Street, database: Database, seed: int
) -> None:
    book, dice = await stood.begun(database, RULES), random.Random(seed)
    async with traffic(stood):
        with ExitStack() as stack:
            workers = [stack.enter_context(stood.worker(place)) for place in (0, 1)]
            while (await book.latest(1))[0].ended_at is None:
                sleeper = dice.choice(workers)
                sleeper.send_signal(signal.SIGSTOP)
                await asyncio.sleep(dice.uniform(0.2, 1.6 * LEASE_SECONDS))
                sleeper.send_signal(signal.SIGCONT)
                await asyncio.sleep(dice.uniform(0.1, 0.5))
            await asyncio.sleep(2 * LEASE_SECONDS)
    rollout = (await book.latest(1))[0]
    each_once(await trail_of(database, rollout.id), rollout.version, rollout.baseline)
    await answered_by(stood, rollout.version)


@dataclass
class Sleeping:
    """A worker's way to the gateway that falls asleep with a move in its hands."""

    inner: GatewayRegistry
    asleep: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def weights(self, alias: str) -> dict[str, float]:
        return await self.inner.weights(alias)

    async def moves(self, alias: str) -> Sequence[Mapping[str, Any]]:
        return await self.inner.moves(alias)

    async def put(
        self,
        alias: str,
        weights: Mapping[str, float],
        cause: str,
        evidence: Mapping[str, Any],
        expected: Mapping[str, float],
    ) -> None:
        self.asleep.set()
        await self.woken.wait()
        await self.inner.put(alias, weights, cause, evidence, expected)


async def happened(database: Database, rollout: Rollout, pairs: int, *, flagged: bool) -> None:
    """So many pairs in the shadow, written by hand."""
    rows = [
        {
            "rollout_id": rollout.id,
            "exchange_id": f"{rollout.id} {flagged} {number}",
            "conversation": f"{flagged} {number}",
            "admitted_at": rollout.created_at,
            "arm": arm,
            "version": version,
            "flagged": flagged and arm == "shadow",
            "refused": False,
            "failed": False,
            "words": 9,
            "reward": None,
        }
        for number in range(pairs)
        for arm, version in (("shadow", rollout.version), ("stable", rollout.baseline))
    ]
    async with database.write() as connection:
        await connection.execute(insert(OutcomeRow), rows)


async def test_a_worker_that_wakes_up_gives_no_traffic_to_what_was_rolled_back(
    stood: Street, database: Database
) -> None:
    """There and back again: it finds the weights that it expects, and only its lease tells that they are others."""
    book = await stood.begun(database, RULES)
    async with stood.admin(0) as first, stood.admin(1) as second:
        sleeper = Sleeping(GatewayRegistry(first))
        late, heir = Book(database, Worker("late", 0.3)), Book(database, Worker("heir", 30.0))
        assert [each.move.state for each in await advance(late, sleeper)] == ["shadow"]
        await happened(database, (await book.latest(1))[0], 6, flagged=False)
        moving = asyncio.create_task(advance(late, sleeper))
        await sleeper.asleep.wait()
        await asyncio.sleep(0.4)
        await happened(database, (await book.latest(1))[0], 30, flagged=True)
        assert [each.move.state for each in await advance(heir, GatewayRegistry(second))] == ["rolled_back"]
        sleeper.woken.set()
        assert await moving == []
        rollout = (await book.latest(1))[0]
        assert await GatewayRegistry(second).weights("assistant") == {rollout.baseline: 1.0}
    assert (await trail_of(database, rollout.id)).given == []
