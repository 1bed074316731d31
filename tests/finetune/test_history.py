"""What is remembered of retrainings."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from finetune.claims import claim
from finetune.history import RunSeen, StepSeen, history
from finetune.progress import Silence
from finetune.runs import Worker
from gateway.ledger.database import Database
from tests.finetune.test_worker import Bench


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> Bench:
    return await Bench(database, tmp_path).fill()


async def test_without_a_run_there_is_no_history(database: Database) -> None:
    assert await history(database) == []


async def test_each_step_is_there_in_order_with_its_line(bench: Bench) -> None:
    outcome = await bench.work()
    (run,) = await history(bench.database)
    assert (run.id, run.state, run.alive) == (outcome.run, "promoted", False)
    assert [step.step for step in run.steps][:4] == ["live", "draw", "pairs", "dataset"]
    assert "24 pairs" in run.steps[3].told
    assert all(step.state == "done" and step.seconds is not None for step in run.steps)


async def test_a_failed_step_tells_its_error(bench: Bench) -> None:
    bench.stop_at("train", ConnectionError("no engine"))
    with pytest.raises(ConnectionError):
        await bench.work()
    (run,) = await history(bench.database)
    assert (run.steps[-1].state, run.steps[-1].told) == ("failed", "ConnectionError: no engine")
    assert run.reasons == ("ConnectionError: no engine",)


async def test_the_latest_run_comes_first(bench: Bench) -> None:
    first, second = await bench.work(), await bench.work(how="new")
    assert [run.id for run in await history(bench.database, 2)] in (
        [second.run, first.run],
        [first.run, second.run],
    )
    assert len(await history(bench.database, 1)) == 1


async def test_a_run_that_its_worker_let_go_of_is_stopped(database: Database) -> None:
    run = await claim(database, Worker("w1"), {"alias": "assistant"}, Silence())
    assert [seen.stopped for seen in await history(database)] == [False]
    await run.release()
    assert [seen.stopped for seen in await history(database)] == [True]


async def test_a_run_whose_workers_lease_ran_out_is_stopped(database: Database) -> None:
    await claim(database, Worker("w1", lease_seconds=0.0), {"alias": "assistant"}, Silence())
    assert [seen.stopped for seen in await history(database)] == [True]


async def test_a_run_that_is_over_is_not_stopped(database: Database) -> None:
    run = await claim(database, Worker("w1"), {"alias": "assistant"}, Silence())
    await run.end("kept", ("reward",))
    assert [seen.stopped for seen in await history(database)] == [False]


def gated(*conditions: dict[str, object]) -> RunSeen:
    """A run whose gate found these."""
    step = StepSeen("gate", "done", 0.1, "keep the old version", {"conditions": list(conditions)})
    return RunSeen("rt-1", "kept", (), "w1", alive=False, created_at=datetime.now(UTC), steps=(step,))


def test_the_codes_of_what_does_not_hold_are_there_once() -> None:
    over = {"passed": False, "reason": "over_refusal"}
    assert gated({"passed": True, "reason": "reward"}, over, over).codes == ("over_refusal",)


def test_a_gate_of_before_there_were_codes_has_none() -> None:
    assert gated({"passed": False, "name": "reward"}).codes == ()
