"""The story of what the gate kept out."""

from typing import Any

import pytest
from sqlalchemy import insert, update

from finetune.errors import StoryUnknown
from finetune.story.chapters import chapters_of
from finetune.story.kept_out import story_by
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow
from tests.finetune.story.test_story import NOW, STEPS, filled

DIGEST = "75f9366bc320" + "0" * 52
REFUSED: dict[str, Any] = {
    "live": {"version": "v2"},
    "dataset": {"sha256": "d" * 64},
    **STEPS,
    "train": STEPS["train"] | {"digest": DIGEST, "adapter": "/b"},
    "gate": {"conditions": [{"name": "benign refusals", "passed": False, "told": "+22.0 points"}]},
}


@pytest.fixture
async def kept(database: Database) -> Database:
    """A ledger with a version, and with a later run whose version the gate kept out."""
    await filled(database)
    run = {
        "id": "rt-2",
        "alias": "assistant",
        "state": "kept",
        "parameters": {},
        "reasons": ["benign refusals"],
    }
    async with database.write() as connection:
        await connection.execute(insert(RetrainingRow).values(**run, created_at=NOW))
        steps = [
            {"retraining_id": "rt-2", "step": name, "state": "done", "evidence": told, "started_at": NOW}
            for name, told in REFUSED.items()
        ]
        await connection.execute(insert(RetrainingStepRow), steps)
    return database


@pytest.mark.parametrize("name", ["rt-2", "75f9366bc320", "policy-75f9366bc320", DIGEST])
async def test_a_run_or_a_digest_tells_what_the_gate_kept_out(kept: Database, name: str) -> None:
    chapters = chapters_of(await story_by(kept, name))
    assert [each.title for each in chapters] == ["policy-75f9366bc320", "Data", "Training", "Exams", "Gate"]
    assert chapters[0].lead == "policy-75f9366bc320 is kept out by the gate, no traffic."


async def test_a_version_is_told_by_its_name_as_ever(kept: Database) -> None:
    assert (await story_by(kept, "v2")).version["state"] == "staged"


async def test_a_run_whose_version_was_registered_tells_of_that_version(kept: Database) -> None:
    assert (await story_by(kept, "rt-1")).version["id"] == "v2"


async def test_a_run_that_failed_before_the_gate_says_so(kept: Database) -> None:
    failed = {
        "id": "rt-3",
        "alias": "assistant",
        "state": "failed",
        "parameters": {},
        "reasons": ["no memory"],
    }
    async with kept.write() as connection:
        await connection.execute(insert(RetrainingRow).values(**failed, created_at=NOW))
    (first,) = chapters_of(await story_by(kept, "rt-3"))
    assert first.lead == "rt-3 is not registered (failed: no memory), no traffic."


async def test_of_two_runs_that_trained_the_same_the_latest_is_told(kept: Database) -> None:
    async with kept.write() as connection:
        mine = RetrainingStepRow.retraining_id == "rt-1", RetrainingStepRow.step == "train"
        await connection.execute(update(RetrainingStepRow).where(*mine).values(evidence=REFUSED["train"]))
        earlier = RetrainingRow.id == "rt-1"
        await connection.execute(
            update(RetrainingRow).where(earlier).values(created_at=NOW.replace(year=2025))
        )
    story = await story_by(kept, "75f9366bc320")
    assert story.run is not None
    assert story.run["id"] == "rt-2"


@pytest.mark.parametrize("name", ["v9", "75f", "%%%%%%"])
async def test_a_name_that_nobody_knows_is_told_where_to_look(kept: Database, name: str) -> None:
    with pytest.raises(StoryUnknown, match="`trimtab finetune status` shows the run and the digest"):
        await story_by(kept, name)
