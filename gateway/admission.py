"""Who is let in: so many are answered at once, a bounded queue waits behind them, and nobody is let in beyond it.

Before anybody waits in vain, work is made smaller: under load, best-of-n samples fewer candidates.
"""

import asyncio
import math
import time
from dataclasses import replace
from types import TracebackType

from gateway.errors import ApiError, Overloaded, stopping
from gateway.fair_queue import FairQueue
from gateway.metrics import Metrics
from gateway.settings import Limits
from gateway.strategies.size import lowered
from gateway.trip import Trip

Waiting = FairQueue["asyncio.Future[None]"]
WAITED = "no turn came in time: as many requests as allowed are being answered"
FULL = "as many requests as allowed are being answered, and as many wait"
RECENT = 0.1  # the weight of the latest answer in the mean time that one takes


class Admission:
    """Counts the requests that are being answered, on all surfaces together, and lines up those that wait."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._queue: Waiting = FairQueue()
        self._inside = 0  # being read, waiting or being answered
        self._running = 0  # being answered
        self._seconds = 0.0  # that an answer takes, lately
        self._stopping = False

    def inside(self, key: str) -> "Inside":
        """For as long as a request is read, waits and is answered; entering raises Overloaded or Unavailable."""
        return Inside(self, key)

    def turn(self, trip: Trip) -> "Turn":
        """For as long as a request is answered, once it is its turn; entering raises Overloaded or Unavailable."""
        return Turn(self, trip)

    def stop(self) -> None:
        """Refuse those who wait and those who come: elsewhere they are served sooner."""
        self._stopping = True
        for waiter in self._queue.empty():
            self._turn_away(waiter, self._refused("stopping"))
        self._metrics.queued.set(0)

    @property
    def load(self) -> float:
        """0 up to the high-water mark, 1 where as many as allowed are being answered or somebody waits."""
        most, others = self._limits.concurrent_requests, self._running - 1
        mark = self._limits.shed_above * most
        if self._queue:
            return 1.0
        return max(0.0, (others - mark) / (most - mark)) if others > mark else 0.0

    def enter(self, key: str) -> None:
        """Let a request in, if there is room for it."""
        if self._stopping:
            raise self._refused("stopping")
        if self._inside >= self._limits.concurrent_requests + self._limits.queued_requests:
            self._make_way(key)
        self._inside += 1

    def leave(self) -> None:
        """It is over."""
        self._inside -= 1

    async def begin(self, trip: Trip) -> None:
        """Take a slot, or wait for one."""
        if self._running < self._limits.concurrent_requests and not self._queue:
            self._count(1)
        else:
            with trip.stage("queue"):
                await self._wait(trip.ask.caller.id, min(self._limits.queue_seconds, trip.seconds_left))
        if self.load:
            self._lower_n(trip)

    def end(self, seconds: float) -> None:
        """Give a slot to whoever is next."""
        self._seconds += RECENT * (seconds - self._seconds)
        self._count(-1)
        self._let_in()

    async def _wait(self, key: str, patience_seconds: float) -> None:
        if self._stopping:
            raise self._refused("stopping")
        slot = asyncio.get_running_loop().create_future()
        self._queue.put(key, slot)
        self._metrics.queued.set(len(self._queue))
        try:
            async with asyncio.timeout(patience_seconds):
                await slot
        except BaseException as error:
            self._queue.drop(key, slot)
            self._metrics.queued.set(len(self._queue))
            if (
                slot.done() and not slot.cancelled() and slot.exception() is None
            ):  # it was given, and is not used
                self._count(-1)
                self._let_in()
            if isinstance(error, TimeoutError):
                raise self._refused("waited") from None
            raise

    def _let_in(self) -> None:
        while self._queue and self._running < self._limits.concurrent_requests:
            slot = self._queue.take()
            self._metrics.queued.set(len(self._queue))
            if not slot.done():
                slot.set_result(None)
                self._count(1)

    def _make_way(self, key: str) -> None:
        """Room for a key that has fewer waiting than another; raises Overloaded where there is none."""
        newest = self._queue.make_way(key)
        if newest is None:
            raise self._refused("full")
        self._turn_away(newest, self._refused("full"))

    def _turn_away(self, waiter: "asyncio.Future[None]", error: ApiError) -> None:
        if not waiter.done():
            waiter.set_exception(error)

    def _refused(self, why: str) -> ApiError:
        self._metrics.shed.labels(why).inc()
        if why == "stopping":
            return stopping()
        ahead = len(self._queue) + 1
        seconds = math.ceil(ahead * self._seconds / self._limits.concurrent_requests)
        told = WAITED if why == "waited" else FULL
        return Overloaded(told, code="too_many_requests", retry_after_seconds=seconds)

    def _lower_n(self, trip: Trip) -> None:
        ask = trip.ask
        n = lowered(ask.samples, ask.returned, self.load)
        if n < ask.samples:
            trip.degraded.append(f"load: n lowered from {ask.samples} to {n}")
            trip.ask = replace(ask, samples=n)
            self._metrics.shed.labels("n").inc()

    def _count(self, change: int) -> None:
        self._running += change
        self._metrics.concurrent.set(self._running)


class Inside:
    """One request's time in the gateway: a class, as all blocks are that every request enters; generators cost more."""

    __slots__ = ("_admission", "_key")

    def __init__(self, admission: Admission, key: str) -> None:
        self._admission = admission
        self._key = key

    def __enter__(self) -> None:
        self._admission.enter(self._key)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.leave()


class Turn:
    """One request's time with a slot."""

    __slots__ = ("_admission", "_since", "_trip")

    def __init__(self, admission: Admission, trip: Trip) -> None:
        self._admission = admission
        self._trip = trip

    async def __aenter__(self) -> None:
        await self._admission.begin(self._trip)
        self._since = time.perf_counter()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.end(time.perf_counter() - self._since)
