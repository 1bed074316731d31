"""Between callers on the event loop and the model in its thread.

The thread owns all that is in flight and never waits for the loop; callers send it messages, it sends back deltas.
On the loop is only who listens, so no state needs a lock.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from gateway.engines.pocket.decode import Model, Outcome
from gateway.engines.pocket.errors import EngineClosed, GenerationFailed, Overloaded
from gateway.engines.pocket.inflight import InFlight
from gateway.engines.pocket.job import Delta, Job
from gateway.engines.pocket.meter import Meter
from gateway.engines.pocket.schedule import Limits

log = logging.getLogger(__name__)

Inbox = asyncio.Queue[list[Delta] | Exception]


class Batcher:
    """Answers jobs in company; owned by `async with`, which answers everyone when it ends."""

    def __init__(self, model: Model, limits: Limits, meter: Meter) -> None:
        self._flight = InFlight(model, limits)
        self._limits = limits
        self._meter = meter
        self._listening: dict[Job, Inbox] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._unheard: set[Job] = set()  # asked, and nothing said to them yet
        self._messages: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pocket-model")
        self._serving: asyncio.Future[None] | None = None

    @property
    def alive(self) -> bool:
        return self._serving is not None and not self._serving.done()

    async def quiet(self) -> None:
        """Return once nobody listens to an answer."""
        await self._quiet.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._serving = loop.run_in_executor(self._thread, self._serve, loop)
        self._serving.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._serving is not None
        self._messages.put(None)
        try:
            await self._serving
        finally:
            self._thread.shutdown()

    async def deltas(self, job: Job) -> AsyncGenerator[list[Delta]]:
        """The job's deltas as they are drawn; closing the generator frees its rows at the next step."""
        inbox = self._enqueue(job)
        left, since = job.n, job.since
        try:
            while left:
                event = await inbox.get()
                if isinstance(event, Exception):
                    self._meter.ended("error", left)
                    left = 0
                    raise event
                since = self._meter.heard(since, first=since == job.since)
                left -= sum(delta.finish_reason is not None for delta in event)
                yield event
        finally:
            self._forget(job)
            if left:
                self._meter.ended("abort", left)
                self._messages.put(partial(self._flight.leave, job))

    def _enqueue(self, job: Job) -> Inbox:
        if not self.alive:
            raise EngineClosed("The engine is not serving.")
        if len(self._unheard) >= self._limits.waiting:
            raise Overloaded(f"{len(self._unheard)} requests are waiting already; try again later.")
        inbox: Inbox = asyncio.Queue()
        self._listening[job] = inbox
        self._quiet.clear()
        self._unheard.add(job)
        self._meter.asked(job)
        self._messages.put(partial(self._flight.add, job))
        return inbox

    def _forget(self, job: Job) -> None:
        self._listening.pop(job, None)
        if not self._listening:
            self._quiet.set()
        self._unheard.discard(job)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """The model's thread: obey messages, step while there is work, sleep while there is none."""
        while self._obey():
            outcome = self._flight.step()
            self._meter.stepped(outcome, self._flight)
            if outcome.deltas or outcome.failures:
                loop.call_soon_threadsafe(self._deliver, outcome)

    def _obey(self) -> bool:
        """Take in what was sent; false once told to stop."""
        while not self._flight.busy or not self._messages.empty():
            message = self._messages.get()
            if message is None:
                return False
            message()
        return True

    def _deliver(self, outcome: Outcome) -> None:
        for job, deltas in outcome.deltas.items():
            self._tell(job, deltas)
        for job, error in outcome.failures.items():
            log.error("a batch failed", exc_info=error)
            self._tell(job, GenerationFailed(f"The model failed while answering: {type(error).__name__}"))

    def _tell(self, job: Job, event: list[Delta] | Exception) -> None:
        self._unheard.discard(job)
        if inbox := self._listening.get(job):
            inbox.put_nowait(event)

    def _ended(self, serving: "asyncio.Future[None]") -> None:
        """The thread is over, by order or by an error of ours: whoever still listens is told."""
        if error := serving.exception():
            log.error("the pocket engine's thread died", exc_info=error)
        for job in list(self._listening):
            self._tell(job, EngineClosed("The engine is stopping."))
