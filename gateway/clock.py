"""Limits on time that need not be kept to the millisecond: one timer of the event loop for all of them.

A request has half a dozen limits, and hardly any is ever reached. To set one here and take it back costs a third of
what asyncio.timeout or a timer of uvloop does (docs/performance.md); it rings up to a tick late.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from weakref import WeakKeyDictionary

TICK_SECONDS = 0.02


def _nobody() -> None:
    """Whom a cancelled alarm calls."""


class Alarm:
    """Rings once its time has come, unless it is cancelled before."""

    __slots__ = ("_alarms", "due", "ring")

    def __init__(self, alarms: "set[Alarm]", due: float, ring: Callable[[], object]) -> None:
        self._alarms = alarms
        self.due = due
        self.ring = ring
        alarms.add(self)

    def cancel(self) -> None:
        """It does not ring any more, and holds nobody: who keeps it is mostly whom it would call."""
        self._alarms.discard(self)
        self.ring = _nobody


class Clock:
    """The alarms of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self._call_later = loop.call_later
        self._alarms: set[Alarm] = set()
        self._ticks = False

    def after(self, seconds: float, ring: Callable[[], object]) -> Alarm:
        """An alarm that rings after so many seconds."""
        if not self._ticks:
            self._ticks = True
            self._call_later(TICK_SECONDS, self._tick)
        return Alarm(self._alarms, self._time() + seconds, ring)

    def _tick(self) -> None:
        self._ticks = bool(self._alarms)
        if self._ticks:  # first, so that whatever an alarm sets off cannot stop the clock
            self._call_later(TICK_SECONDS, self._tick)
        now = self._time()
        for alarm in [each for each in self._alarms if each.due <= now]:
            if alarm in self._alarms:  # and was not cancelled by the one before
                ring = alarm.ring
                alarm.cancel()
                ring()


_clocks: WeakKeyDictionary[asyncio.AbstractEventLoop, Clock] = WeakKeyDictionary()


def clock_of(loop: asyncio.AbstractEventLoop) -> Clock:
    """The clock of an event loop."""
    clock = _clocks.get(loop)
    if clock is None:
        clock = _clocks[loop] = Clock(loop)
    return clock


class Limit:
    """asyncio.timeout by the common clock: what is done inside is cancelled when the time is over, as TimeoutError."""

    __slots__ = ("__weakref__", "_alarm", "_cancelled_before", "_over", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelled_before = task.cancelling()
        self._alarm = clock_of(task.get_loop()).after(self._seconds, self._end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alarm.cancel()
        # Where somebody else cancels as well, that is not to be silenced.
        if self._over and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end(self) -> None:
        self._over = True
        self._task.cancel()
