"""Retraining by itself."""

import asyncio
import weakref

import pytest

from finetune.claims import How
from finetune.errors import NothingToResume, RolloutUnderWay, RunUnderWay, TrainingFailed
from finetune.retrain import Outcome
from finetune.watch import MOST_FAILURES, Watch
from gateway.ledger.contract import LedgerUnavailable
from tests.fakes.ring import Ring, dropped, no_collection


class Scene:
    """So many new pairs, a run left or not, and runs that end as told."""

    def __init__(self, pending: int = 0, *, left: bool = False, error: Exception | None = None) -> None:
        self.pairs, self.left, self.error = pending, left, error
        self.runs: list[How] = []
        self.model: weakref.ref[Ring] | None = None
        self.away = self.too_few = False
        self.watch = Watch(0.01, 200, self.pending, self.unfinished, self.run)

    async def pending(self) -> int:
        if self.away:
            raise LedgerUnavailable("connection refused")
        return self.pairs

    async def unfinished(self) -> bool:
        return self.left

    async def run(self, how: How) -> Outcome:
        self.runs.append(how)
        self.model = dropped()
        if self.error is not None:
            raise self.error
        if self.too_few:
            return Outcome("r", promoted=False, reasons=("not enough pairs",))
        trained, self.pairs = self.pairs, 0
        return Outcome("r", promoted=True, reasons=(), version="v", trained_on=trained)


async def test_enough_new_pairs_begin_a_run() -> None:
    scene = Scene(200)
    assert await scene.watch.look()
    assert scene.runs == ["new"]


async def test_too_few_begin_none() -> None:
    scene = Scene(199)
    assert await scene.watch.look() is None
    assert scene.runs == []


async def test_an_unfinished_run_is_gone_on_with_whatever_is_new() -> None:
    scene = Scene(0, left=True)
    await scene.watch.look()
    assert scene.runs == ["either"]


async def test_another_worker_is_left_alone() -> None:
    scene = Scene(200, error=RunUnderWay("held by another"))
    assert await scene.watch.look() is None
    assert scene.watch.failures == 0


async def test_a_rollout_that_began_meanwhile_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(200, error=RolloutUnderWay("rollout ro-1 of v2 is under way"))
    assert await scene.watch.look() is None
    assert (scene.watch.failures, scene.watch.passed_over) == (0, 0)


async def test_a_failed_run_is_taken_up_again_and_not_for_ever() -> None:
    scene = Scene(200, error=TrainingFailed("no memory"))
    await scene.watch.look()
    scene.pairs = 0
    for _ in range(MOST_FAILURES + 2):
        await scene.watch.look()
    assert scene.runs == ["new", *["resume"] * (MOST_FAILURES - 1)]


async def test_an_unfinished_run_that_cannot_go_on_is_tried_so_often_and_once_more_when_more_is_new() -> None:
    scene = Scene(250, left=True, error=TrainingFailed("the gateway has no engine 'c'"))
    for _ in range(MOST_FAILURES + 2):
        await scene.watch.look()
    assert scene.runs == ["either"] * MOST_FAILURES
    scene.pairs = 450
    for _ in range(2):
        await scene.watch.look()
    assert scene.runs == ["either"] * (MOST_FAILURES + 1)


async def test_pairs_that_were_too_few_wait_for_more_and_are_not_lost() -> None:
    scene = Scene(200)
    scene.too_few = True
    for _ in range(3):
        await scene.watch.look()
    assert scene.runs == ["new"]
    scene.pairs, scene.too_few = 400, False
    await scene.watch.look()
    scene.pairs = 200
    await scene.watch.look()
    assert scene.runs == ["new"] * 3


async def test_a_fault_of_ours_does_not_end_the_watch_nor_tell_what_was_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(200, error=KeyError("how do I"))
    assert await scene.watch.look() is None
    assert scene.watch.failures == 1
    assert "KeyError" in caplog.text
    assert "how do I" not in caplog.text


async def test_a_database_that_is_away_while_looking_is_no_failed_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(200)
    scene.away = True
    assert await scene.watch.look() is None
    assert "connection refused" in caplog.text
    scene.away = False
    await scene.watch.look()
    assert scene.runs == ["new"]


async def test_nothing_to_resume_is_nothing_to_do() -> None:
    scene = Scene(200, error=LedgerUnavailable("connection refused"))  # before a run was begun
    assert await scene.watch.look() is None
    scene.error = NothingToResume("the last one was promoted")
    assert await scene.watch.look() is None
    scene.error = None
    assert await scene.watch.look()
    assert scene.runs == ["new", "resume", "new"]


async def test_what_failed_before_a_restart_is_taken_up() -> None:
    scene = Scene(0)
    scene.watch.failures = 1
    assert await scene.watch.look()
    assert scene.runs == ["resume"]


async def test_a_success_forgets_the_failures() -> None:
    scene = Scene(200, error=TrainingFailed("no memory"))
    await scene.watch.look()
    scene.error = None
    await scene.watch.look()
    assert scene.watch.failures == 0


async def test_it_looks_again_and_again_until_it_is_cancelled() -> None:
    scene = Scene(200)
    task = asyncio.create_task(scene.watch.forever())
    while scene.pairs:
        await asyncio.sleep(0.01)
    scene.pairs = 300
    while len(scene.runs) < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_worker_that_waits_holds_no_model() -> None:
    scene = Scene(200)
    with no_collection():
        task = asyncio.create_task(scene.watch.forever())
        while not scene.runs:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        assert scene.model is not None
        assert scene.model() is None


async def test_a_time_that_has_come_begins_a_run_below_the_threshold() -> None:
    scene = Scene(pending=3)
    scene.watch.called = said("the schedule")
    assert await scene.watch.look() is not None
    assert scene.runs == ["new"]


async def test_nothing_new_is_not_learnt_again_because_a_time_has_come() -> None:
    scene = Scene(pending=0)
    scene.watch.called = said("the schedule")
    await scene.watch.look()
    assert scene.runs == []


@pytest.mark.parametrize(("pending", "in_vain"), [(0, 1), (3, 0)])
async def test_whoever_calls_hears_where_nothing_was_new(pending: int, in_vain: int) -> None:
    scene, heard = Scene(pending), []

    async def hear() -> None:
        heard.append("nothing new")

    scene.watch.called, scene.watch.in_vain = said("the schedule"), hear
    await scene.watch.look()
    assert len(heard) == in_vain


async def test_while_something_holds_it_back_no_run_begins() -> None:
    scene = Scene(pending=500)
    scene.watch.held = said("quiet hours")
    await scene.watch.look()
    assert scene.runs == []


async def test_what_was_begun_is_gone_on_with_in_quiet_hours_too() -> None:
    scene = Scene(left=True)
    scene.watch.held = said("quiet hours")
    await scene.watch.look()
    assert scene.runs == ["either"]


async def test_without_a_threshold_pairs_alone_begin_nothing() -> None:
    scene = Scene(pending=5000)
    scene.watch.min_new_pairs = 0
    await scene.watch.look()
    assert scene.runs == []


def said(why: str):
    async def reason() -> str:
        return why

    return reason
