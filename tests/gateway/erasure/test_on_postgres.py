"""Erasure and rollouts on a real PostgreSQL, with two who act at once."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import RolloutRow
from tests.bench.loop.killing.parts import Postgres
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
