"""The common clock: limits that are kept a tick late at most, and alarms that do not ring once cancelled."""

import asyncio
import gc
import weakref

import pytest

from gateway.clock import TICK_SECONDS, Limit, clock_of

SOON = TICK_SECONDS / 2
LATER = 10 * TICK_SECONDS


async def test_an_alarm_rings_once() -> None:
    rung: list[str] = []
    clock_of(asyncio.get_running_loop()).after(SOON, lambda: rung.append("a"))
    await asyncio.sleep(LATER)
    assert rung == ["a"]


async def test_a_cancelled_alarm_is_silent() -> None:
    rung: list[str] = []
    clock_of(asyncio.get_running_loop()).after(SOON, lambda: rung.append("a")).cancel()
    await asyncio.sleep(LATER)
    assert rung == []


async def test_an_alarm_may_cancel_another_that_is_due() -> None:
    clock, rung = clock_of(asyncio.get_running_loop()), []
    alarms = []

    def ring() -> None:
        rung.append("one")
        for alarm in alarms:
            alarm.cancel()

    alarms += [clock.after(SOON, ring), clock.after(SOON, ring)]
    await asyncio.sleep(LATER)
    assert rung == ["one"]


async def test_an_alarm_that_fails_does_not_stop_the_clock() -> None:
    told: list[object] = []
    loop, rung = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    clock_of(loop).after(SOON, lambda: 1 / 0)
    clock_of(loop).after(3 * TICK_SECONDS, lambda: rung.append("a"))
    await asyncio.sleep(LATER)
    assert rung == ["a"]
    assert isinstance(told[0], ZeroDivisionError)


async def test_a_clock_that_stood_still_goes_again() -> None:
    await test_an_alarm_rings_once()
    await asyncio.sleep(LATER)
    await test_an_alarm_rings_once()


async def test_what_takes_too_long_is_cancelled() -> None:
    with pytest.raises(TimeoutError), Limit(SOON):
        await asyncio.sleep(60)
    assert asyncio.current_task().cancelling() == 0


async def test_what_ends_in_time_is_left_alone() -> None:
    with Limit(SOON):
        pass
    await asyncio.sleep(LATER)


async def test_of_two_limits_the_inner_one_is_told_apart() -> None:
    with Limit(60):
        with pytest.raises(TimeoutError), Limit(SOON):
            await asyncio.sleep(60)
        await asyncio.sleep(0)


async def test_a_cancel_from_outside_is_not_silenced() -> None:
    async def work() -> None:
        with Limit(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_leaves_as_it_is() -> None:
    with pytest.raises(KeyError), Limit(60):
        raise KeyError


async def test_a_cancelled_alarm_holds_nobody() -> None:
    limit = Limit(60)
    gone = weakref.ref(limit)
    with limit:
        pass
    gc.disable()
    try:
        del limit
        assert gone() is None
    finally:
        gc.enable()
