"""Tasks that a block owns: they work while it lasts, and their death is seen, never lost."""

import asyncio
from contextlib import suppress

import pytest

from gateway.background import running, unbroken

STEP_SECONDS = 0.001


class Work:
    """Counts how often it came round, and says whether it was stopped."""

    def __init__(self) -> None:
        self.rounds = 0
        self.stopped = False

    async def go_on(self) -> None:
        try:
            while True:
                self.rounds += 1
                await asyncio.sleep(STEP_SECONDS)
        finally:
            self.stopped = True


async def die() -> None:
    raise LookupError("nothing to do")


async def test_it_works_under_its_name_for_as_long_as_the_block_lasts() -> None:
    work = Work()
    async with running(work.go_on(), "a round") as task:
        assert task.get_name() == "a round"
        async with asyncio.timeout(5):
            while work.rounds < 3:
                await asyncio.sleep(STEP_SECONDS)
        assert not task.done()
    assert work.stopped
    assert task.cancelled()


async def test_a_block_that_fails_stops_it_too_and_its_own_error_is_told() -> None:
    work = Work()

    async def failing() -> None:
        async with running(work.go_on(), "a round"):
            await asyncio.sleep(STEP_SECONDS)
            raise ValueError("the block's")

    with pytest.raises(ValueError, match="the block's"):
        await failing()
    assert work.stopped


async def test_a_death_is_seen_at_once_and_raised_at_the_end() -> None:
    seen = []

    async def looking() -> None:
        async with running(die(), "a mortal") as task:
            await asyncio.wait([task], timeout=5)
            seen.append(task.done())

    with pytest.raises(LookupError, match="nothing to do"):
        await looking()
    assert seen == [True]


async def test_work_that_is_done_is_not_waited_for() -> None:
    async with running(asyncio.sleep(0), "a moment") as task:
        await asyncio.wait([task], timeout=5)
    assert not task.cancelled()


async def slow_to_end(ended: asyncio.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        ended.set()


async def test_an_owner_that_is_cancelled_while_it_waits_for_the_end_is_cancelled_after_it() -> None:
    ended, left = asyncio.Event(), asyncio.Event()

    async def owning() -> None:
        async with running(slow_to_end(ended), "a slow one"):
            await asyncio.sleep(STEP_SECONDS)
            left.set()

    owner = asyncio.create_task(owning())
    await left.wait()
    await asyncio.sleep(STEP_SECONDS)
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert ended.is_set()


async def test_a_death_does_not_stand_in_place_of_the_blocks_own_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def failing() -> None:
        async with running(die(), "a mortal") as task:
            await asyncio.wait([task], timeout=5)
            raise ValueError("the block's")

    with pytest.raises(ValueError, match="the block's"):
        await failing()
    [told] = caplog.records
    assert told.getMessage() == "a mortal had died"
    assert told.exc_info is not None
    assert isinstance(told.exc_info[1], LookupError)


async def test_a_death_does_not_stand_in_place_of_the_owners_cancellation() -> None:
    died = asyncio.Event()

    async def owning() -> None:
        async with running(die(), "a mortal") as task:
            await asyncio.wait([task], timeout=5)
            died.set()
            await asyncio.Event().wait()

    owner = asyncio.create_task(owning())
    await died.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner


async def test_what_is_unbroken_ends_before_its_owner_is_cancelled() -> None:
    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def writing() -> None:
        began.set()
        await may_end.wait()
        ended.set()

    owner = asyncio.create_task(unbroken(writing()))
    await began.wait()
    owner.cancel()
    await asyncio.sleep(STEP_SECONDS)
    assert not owner.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert ended.is_set()


async def test_what_is_unbroken_is_broken_off_when_patience_ends() -> None:
    work = Work()
    owner = asyncio.create_task(unbroken(work.go_on(), patience_seconds=STEP_SECONDS))
    await asyncio.sleep(STEP_SECONDS)
    owner.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await owner
    await asyncio.sleep(STEP_SECONDS)
    assert work.stopped


async def test_what_it_dies_of_after_its_owner_was_cancelled_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()

    async def writing() -> None:
        began.set()
        await may_end.wait()
        raise LookupError("nothing to write to")

    owner = asyncio.create_task(unbroken(writing()))
    await began.wait()
    owner.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await owner
    (told,) = caplog.records
    assert told.getMessage().endswith("writing had died")
    assert told.exc_info is not None
    assert isinstance(told.exc_info[1], LookupError)


async def test_what_is_unbroken_is_broken_off_where_its_owner_is_cancelled_twice() -> None:
    work = Work()
    owner = asyncio.create_task(unbroken(work.go_on()))
    await asyncio.sleep(STEP_SECONDS)
    owner.cancel()
    await asyncio.sleep(STEP_SECONDS)
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    await asyncio.sleep(STEP_SECONDS)
    assert work.stopped
