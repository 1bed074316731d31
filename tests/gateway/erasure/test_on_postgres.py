"""Erasure, freezing and rollouts on a real PostgreSQL, with two who act at once."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from finetune.pairs.datasets import Work, freeze_and_enter
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.rollout_tables import RolloutRow
from tests.bench.loop.killing.parts import Postgres
from tests.fakes.exchanges import harmful
from tests.finetune.rollout.test_controller import Scene
from tests.gateway.erasure.test_erase import ADA, WORD, filled, places

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("initdb"), reason="no PostgreSQL is installed"),
]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    server = Postgres(tmp_path / "postgres")
    server.start()
    async with Database(server.url) as database:
        yield database
    server.kill()


async def test_a_person_is_forgotten_once_by_two_who_ask_at_once(database: Database) -> None:
    await filled(database)
    first, second = await asyncio.gather(*(erase(database, ADA, "asked to", name) for name in ("a", "b")))
    assert sorted((first.counts["exchanges"], second.counts["exchanges"])) == [0, 1]
    assert await places(database, WORD) == []
    assert await places(database, ADA) == []


async def test_a_freezing_and_an_erasure_at_once_see_each_other(database: Database, tmp_path: Path) -> None:
    """Whichever is second: what is frozen holds nothing of theirs, or is marked."""
    people = [f"person-{i}" for i in range(8)]
    await Intake(database).take([harmful(i, subject=name) for i, name in enumerate(people)])
    source = PairSource(database)
    await source.gather(MakeRules(margin_sd=0.5))
    pairs = await source.pairs()

    async def write(work: Work) -> None:
        async with database.write() as connection:
            await work(connection)

    for i, name in enumerate(people):
        frozen, found = await asyncio.gather(
            freeze_and_enter(pairs, tmp_path / str(i), {}, write),
            erase(database, name, "asked to", "tests"),
        )
        marked = not await source.fit(frozen)
        assert marked == (frozen.sha256 in found.datasets)
        assert marked or f'"{name}"' not in frozen.path.read_text()


async def test_a_rollout_is_moved_once_by_many_workers(database: Database) -> None:
    scene = Scene(database)
    await scene.begun()
    await scene.look()
    await scene.happened(5, arm="shadow")
    async with database.write() as connection:
        await connection.execute(update(RolloutRow).values(owner=None, lease_until=None))
    looks = await asyncio.gather(*(scene.look(f"w{i}") for i in range(6)))
    assert [state for look in looks for state in look] == ["canary"]
    assert scene.traffic.put_count == 1
