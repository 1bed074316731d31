"""What lies about in a home: what nothing names goes, and so does what an erasure overtook; what is in use stays."""

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from finetune.pairs.filters import FilterRules
from finetune.pairs.leftovers import GRACE_SECONDS, KEPT_SECONDS, sweep
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from finetune.train.checkpoints import hold
from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, VersionRow
from tests.fakes.exchanges import benign, harmful

NAME = "a" * 64
A_WHILE, LONG = GRACE_SECONDS + 60, KEPT_SECONDS + 60


@pytest.fixture
async def filled(database: Database) -> Database:
    await Intake(database).take([harmful(1, subject="ann"), benign(2, subject="bob")])
    await PairSource(database).gather(MakeRules(margin_sd=0.5))
    return database


def left(path: Path, text: str = "ann's words", *, seconds: float = 0.0) -> Path:
    """A file that was written so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    then = time.time() - seconds
    for each in (path, path.parent):
        os.utime(each, (then, then))
    return path


async def forget(database: Database) -> None:
    await erase(database, "ann", "asked to", "tests")


async def test_a_dataset_that_nobody_entered_goes_with_the_next_erasure(
    filled: Database, tmp_path: Path
) -> None:
    file = left(tmp_path / "datasets" / f"{NAME}.jsonl")
    assert await sweep(filled, tmp_path) == []
    await forget(filled)
    assert await sweep(filled, tmp_path) == [file]


async def test_a_dataset_that_nobody_entered_goes_after_a_week(filled: Database, tmp_path: Path) -> None:
    file = left(tmp_path / "datasets" / f"{NAME}.jsonl", seconds=LONG)
    assert await sweep(filled, tmp_path) == [file]


async def test_a_dataset_of_the_ledgers_stays_however_old_it_is(filled: Database, tmp_path: Path) -> None:
    await forget(filled)
    frozen = await PairSource(filled).freeze(FilterRules(), {}, tmp_path / "datasets")
    os.utime(frozen.path, (0, 0))
    assert await sweep(filled, tmp_path) == []
    assert frozen.path.is_file()


async def test_a_file_that_a_version_learnt_stays_until_an_erasure(filled: Database, tmp_path: Path) -> None:
    version = {"id": "v1", "base": "m", "state": "staged", "lineage": {"dataset": NAME}}
    async with filled.write() as connection:
        await connection.execute(insert(VersionRow).values(**version, created_at=datetime.now(UTC)))
    file = left(tmp_path / "datasets" / f"{NAME}.jsonl", seconds=LONG)
    assert await sweep(filled, tmp_path) == []
    await forget(filled)
    assert await sweep(filled, tmp_path) == [file]


async def test_while_somebody_trains_no_file_goes_that_they_may_learn(
    filled: Database, tmp_path: Path
) -> None:
    file = left(tmp_path / "datasets" / f"{NAME}.jsonl")
    give_back = hold(tmp_path / "checkpoints" / "x", threading.Event())
    await forget(filled)
    assert await sweep(filled, tmp_path) == []
    give_back()
    assert await sweep(filled, tmp_path) == [file]


async def test_a_file_whose_writing_was_broken_off_goes_after_a_while(
    filled: Database, tmp_path: Path
) -> None:
    new = left(tmp_path / "datasets" / "abc.1.part")
    old = [left(tmp_path / name / "abc.2.part", seconds=A_WHILE) for name in ("drawn", "datasets")]
    assert await sweep(filled, tmp_path) == old
    assert new.exists()


async def test_drawn_candidates_of_whoever_was_erased_go_though_written_later(
    filled: Database, tmp_path: Path
) -> None:
    await forget(filled)
    hers = left(tmp_path / "drawn" / "d1.jsonl", json.dumps({"exchange_id": "harm-1"}), seconds=-5)
    his = left(tmp_path / "drawn" / "d2.jsonl", json.dumps({"exchange_id": "good-2"}), seconds=-5)
    assert await sweep(filled, tmp_path) == [hers]
    assert his.exists()


async def test_drawn_candidates_stay_for_the_run_that_drew_them(filled: Database, tmp_path: Path) -> None:
    kept, old = (left(tmp_path / "drawn" / f"{name}.jsonl", "", seconds=LONG) for name in ("d1", "d2"))
    now = datetime.now(UTC)
    run = {"id": "rt-1", "state": "running", "alias": "a", "running": 1, "parameters": {}, "reasons": []}
    step = {"retraining_id": "rt-1", "step": "draw", "state": "done", "evidence": {"path": str(kept)}}
    async with filled.write() as connection:
        await connection.execute(insert(RetrainingRow).values(**run, created_at=now))
        await connection.execute(insert(RetrainingStepRow).values(**step, started_at=now))
    assert await sweep(filled, tmp_path) == [old]


async def test_rows_beside_checkpoints_go_once_nobody_trains_there(filled: Database, tmp_path: Path) -> None:
    place = tmp_path / "checkpoints" / "x"
    rows = left(place / "rows" / "data-0.arrow", seconds=A_WHILE).parent
    weights = left(place / "checkpoint-1" / "optimizer.pt")
    give_back = hold(place, threading.Event())
    assert await sweep(filled, tmp_path) == []
    give_back()
    assert await sweep(filled, tmp_path) == [rows]
    assert weights.exists()


async def test_checkpoints_stay_when_an_erasure_reached_no_dataset(filled: Database, tmp_path: Path) -> None:
    left(tmp_path / "checkpoints" / "x" / "optimizer.pt")
    await forget(filled)
    assert await sweep(filled, tmp_path) == []


async def test_checkpoints_go_once_an_erasure_reached_a_dataset(filled: Database, tmp_path: Path) -> None:
    frozen = await PairSource(filled).freeze(FilterRules(), {}, tmp_path / "datasets")
    place = left(tmp_path / "checkpoints" / "x" / "optimizer.pt").parent
    await forget(filled)
    assert await sweep(filled, tmp_path) == [frozen.path, place]


async def test_checkpoints_that_nobody_goes_on_with_go_after_a_week(filled: Database, tmp_path: Path) -> None:
    place = left(tmp_path / "checkpoints" / "x" / "optimizer.pt", seconds=LONG).parent
    assert await sweep(filled, tmp_path) == [place]
    assert list((tmp_path / "checkpoints").iterdir()) == []


async def test_what_a_failed_training_printed_goes_with_the_next_erasure(
    filled: Database, tmp_path: Path
) -> None:
    place = left(tmp_path / "executors" / "y" / "log", seconds=A_WHILE).parent
    assert await sweep(filled, tmp_path) == []
    await forget(filled)
    assert await sweep(filled, tmp_path) == [place]


async def test_a_job_that_a_killed_worker_left_goes_after_a_while(filled: Database, tmp_path: Path) -> None:
    job = left(tmp_path / "executors" / "y" / "job.json", seconds=A_WHILE)
    assert await sweep(filled, tmp_path) == [job]


async def test_a_training_that_is_listened_to_keeps_its_files(filled: Database, tmp_path: Path) -> None:
    job = left(tmp_path / "executors" / "y" / "job.json", seconds=LONG)
    left(job.with_name("listened"))
    await forget(filled)
    assert await sweep(filled, tmp_path) == []
