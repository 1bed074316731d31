"""Requests in flight: callers hand in jobs and read deltas, one task decides and accounts,
one thread runs the model.

Everything here but `Decoder.step` happens on the event loop, so no state needs a lock.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from gateway.engines.pocket.decode import Decoder, Outcome, count_finished, start
from gateway.engines.pocket.errors import EngineClosed, GenerationFailed, Overloaded, PocketError
from gateway.engines.pocket.job import Delta, Job
from gateway.engines.pocket.meter import Meter
from gateway.engines.pocket.schedule import Limits, schedule

log = logging.getLogger(__name__)


class Batcher:
    """Answers jobs in company; owned by `async with`, which answers everyone when it ends."""

    def __init__(self, decoder: Decoder, limits: Limits, meter: Meter) -> None:
        self._decoder = decoder
        self._limits = limits
        self._meter = meter
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._work = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pocket-model")
        self._serving: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self._serving is not None and not self._serving.done()

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._serving is not None
        self._serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving
        await asyncio.to_thread(self._thread.shutdown)

    async def deltas(self, job: Job) -> AsyncGenerator[list[Delta]]:
        """The job's deltas as they are drawn; closing the generator frees its rows at the next step."""
        inbox: asyncio.Queue[list[Delta] | Exception] = asyncio.Queue()
        job.deliver = inbox.put_nowait
        self._enqueue(job)
        left = job.n
        try:
            while left:
                event = await inbox.get()
                if isinstance(event, Exception):
                    raise event
                left -= count_finished(event)
                yield event
        finally:
            self._leave(job)

    def _enqueue(self, job: Job) -> None:
        if not self.alive:
            raise EngineClosed("The engine is not serving.")
        if len(self._waiting) >= self._limits.waiting:
            raise Overloaded(f"{len(self._waiting)} requests are waiting already; try again later.")
        self._waiting.append(job)
        self._meter.asked(job)
        self._work.set()

    def _leave(self, job: Job) -> None:
        """Its caller reads no more: done, failed, or gone in the middle."""
        if job.waiting or job.running:
            self._meter.aborted(job)
            job.gone = True
            self._work.set()

    async def _serve(self) -> None:
        try:
            while True:
                await self._work.wait()
                await self._step()
        except Exception:
            log.exception("the pocket engine's worker died")
            raise
        finally:
            self._close()

    async def _step(self) -> None:
        gone = [job for job in self._running if job.gone]
        shares = schedule(self._waiting, [job for job in self._running if not job.gone], self._limits)
        start(shares)
        self._sort({share.job for share in shares})
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._thread, self._decoder.step, shares, gone)
        self._settle(outcome)

    def _sort(self, joining: set[Job]) -> None:
        """Who waits and who runs, once a step is decided; those who left are in neither."""
        self._running = [job for job in self._running if not job.gone]
        self._running += [job for job in self._waiting if job in joining and job not in self._running]
        self._waiting = deque(job for job in self._waiting if job.waiting)

    def _settle(self, outcome: Outcome) -> None:
        """Account for a step and tell the callers."""
        for job, deltas in outcome.deltas.items():
            job.finished += count_finished(deltas)
            if not job.gone:
                job.deliver(deltas)
        for job, error in outcome.failures.items():
            self._fail(job, error)
        self._running = [job for job in self._running if job.running or job.gone]
        self._meter.stepped(outcome, len(self._waiting), len(self._running))
        if not self._running and not any(job.waiting for job in self._waiting):
            self._waiting.clear()
            self._work.clear()

    def _fail(self, job: Job, error: Exception) -> None:
        log.error("a batch failed", exc_info=error)
        if not job.gone:
            self._answer(job, GenerationFailed(f"The model failed while answering: {type(error).__name__}"))

    def _close(self) -> None:
        for job in {*self._running, *self._waiting}:
            if not job.gone:
                self._answer(job, EngineClosed("The engine is stopping."))
        self._running, self._waiting = [], deque()

    def _answer(self, job: Job, error: PocketError) -> None:
        """Tell a caller the worst; nothing of the job is left afterwards."""
        self._meter.failed(job)
        job.started = job.finished = job.n
        job.deliver(error)
