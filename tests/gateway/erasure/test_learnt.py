"""What a version learnt is known of one that was registered by hand too: by the run that trained its files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from finetune.exams.registered import LedgerRegistrar
from gateway.erasure.erase import erase
from gateway.erasure.learnt import learnt_in
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, VersionRow
from tests.gateway.erasure.test_erase import ADA, filled

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    async with Database(f"sqlite:///{tmp_path}/ledger.db") as database:
        await filled(database)
        yield database


async def trained(
    database: Database, run: str, digest: str, dataset: str, anchor: str = "base", live: str = "v2"
) -> None:
    """A run that trained files of a digest, and whose gate refused them."""
    row = {"alias": "assistant", "state": "kept", "reasons": [], "created_at": NOW}
    told = {"live": {"version": live}, "dataset": {"sha256": dataset}, "train": {"digest": digest}}
    step = {"retraining_id": run, "state": "done", "started_at": NOW}
    async with database.write() as connection:
        parameters = {"recipe": {"anchor": anchor}}
        await connection.execute(insert(RetrainingRow).values(**row, id=run, parameters=parameters))
        steps = [step | {"step": name, "evidence": each} for name, each in told.items()]
        await connection.execute(insert(RetrainingStepRow), steps)


async def registered(database: Database, name: str, lineage: dict[str, Any]) -> None:
    """A version without a parent."""
    row = {"base": "m", "path": "/a", "parent": None, "state": "staged", "created_at": NOW}
    async with database.write() as connection:
        await connection.execute(insert(VersionRow).values(**row, id=name, lineage=lineage))


async def test_one_registered_by_hand_is_named_by_the_run_that_trained_it(database: Database) -> None:
    await trained(database, "rt-1", "75f9", "d1")
    await registered(database, "v8", {"digest": "75f9"})
    assert (await erase(database, ADA, "asked to", "tests")).versions == ["v1", "v3", "v8"]


async def test_one_whose_run_started_from_what_learnt_it_is_named_too(database: Database) -> None:
    await trained(database, "rt-1", "75f9", "d2", anchor="last", live="v1")
    await registered(database, "v8", {"digest": "75f9"})
    assert "v8" in (await erase(database, ADA, "asked to", "tests")).versions


async def test_one_that_another_run_trained_is_not(database: Database) -> None:
    await trained(database, "rt-1", "75f9", "d1")
    await trained(database, "rt-2", "aaaa", "d2", live="v1")
    await registered(database, "v8", {"digest": "aaaa"})
    assert (await erase(database, ADA, "asked to", "tests")).versions == ["v1", "v3"]


async def test_one_registered_after_the_erasure_is_not_started_from(database: Database) -> None:
    await trained(database, "rt-1", "75f9", "d1")
    await erase(database, ADA, "asked to", "tests")
    await registered(database, "v8", {"digest": "75f9"})
    assert await LedgerRegistrar(database).reached("v8")


async def test_a_lineage_that_somebody_made_up_stops_nothing(database: Database) -> None:
    await registered(database, "v8", {"dataset": ["d1"], "anchor": "last"})
    async with database.read() as connection:
        assert (await learnt_in(connection))["v8"] == frozenset()
