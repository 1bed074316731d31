"""Retraining by itself."""

import asyncio

import pytest

from finetune.claims import How
from finetune.errors import RunUnderWay, TrainingFailed
from finetune.retrain import Outcome
from finetune.watch import MOST_FAILURES, Watch


class Scene:
    """So many new pairs, a run left or not, and runs that end as told."""

    def __init__(self, pending: int = 0, *, left: bool = False, error: Exception | None = None) -> None:
        self.pairs, self.left, self.error = pending, left, error
        self.runs: list[How] = []
        self.watch = Watch(0.01, 200, self.pending, self.unfinished, self.run)

    async def pending(self) -> int:
        return self.pairs

    async def unfinished(self) -> bool:
        return self.left

    async def run(self, how: How) -> Outcome:
        self.runs.append(how)
        if self.error is not None:
            raise self.error
        self.pairs = 0
        return Outcome("r", promoted=True, reasons=(), version="v")


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


async def test_a_failed_run_is_taken_up_again_and_not_for_ever() -> None:
    scene = Scene(200, error=TrainingFailed("no memory"))
    await scene.watch.look()
    scene.pairs = 0
    for _ in range(MOST_FAILURES + 2):
        await scene.watch.look()
    assert scene.runs == ["new", *["resume"] * (MOST_FAILURES - 1)]


async def test_a_fault_of_ours_does_not_end_the_watch_nor_tell_what_was_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(200, error=KeyError("how do I"))
    assert await scene.watch.look() is None
    assert scene.watch.failures == 1
    assert "KeyError" in caplog.text
    assert "how do I" not in caplog.text


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
