"""Many callers, one model call at a time for each worker: decide which callers share a batch, score it, answer them.

There is no timer: whoever waits when a worker is free goes together, and the next batch gathers while it is busy.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Generic, Self

from rewardserve.batch import BatchLimits, Pace, take_batch
from rewardserve.errors import (
    BatcherClosed,
    DeadlineMissed,
    Overloaded,
    ScoringError,
    ScoringFailed,
    TooLarge,
    TryAgain,
)
from rewardserve.line import Line, Terms, Waiting
from rewardserve.reward import Reward
from rewardserve.scorer import Accounting, ItemT, Scorer, Spent

log = logging.getLogger(__name__)
# A model that fails this often in a row is broken, as after an assert on a GPU, and wants a restart.
FAILURES_OF_A_BROKEN_MODEL = 5
NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Served:
    """The account of one batch that went through the model."""

    items: int
    spent: Spent
    forward_seconds: float
    wait_seconds: tuple[float, ...]


class Batcher(Generic[ItemT]):
    """The one owner of the queue and of the threads that run the model; use it as `async with`."""

    def __init__(
        self,
        scorers: Sequence[Scorer[ItemT]],
        limits: BatchLimits,
        on_batch: Callable[[Served], None],
        *,
        on_late: Callable[[int], None] = lambda _: None,
        drain_seconds: float = 0.0,
    ) -> None:
        self._scorers = scorers
        self._limits = limits
        self._on_batch = on_batch
        self._on_late = on_late
        self._drain_seconds = drain_seconds
        self._line: Line[ItemT] = Line()
        self._pace = Pace()
        self._arrival = asyncio.Event()
        self._quiet = asyncio.Event()
        self._busy = 0
        self._closing = self._closed = False
        self._failures_in_a_row = 0
        self._tasks: list[asyncio.Task[None]] = []
        # A thread for each, for good: forward passes on changing threads would build a new OpenMP pool on each.
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix="reward-model") for _ in scorers]

    @property
    def depth(self) -> int:
        """How many items wait for the model."""
        return len(self._line)

    @property
    def failure(self) -> str | None:
        """Why nobody is served any more, or None while all is well."""
        if self._closing or not self._tasks:
            return "the batcher is not running"
        dead = next((task for task in self._tasks if task.done()), None)
        if dead is None:
            return None
        error = None if dead.cancelled() else dead.exception()
        return f"the batcher died: {type(error).__name__}: {error}" if error else "the batcher was cancelled"

    @property
    def ailment(self) -> str | None:
        """Why nobody is likely to be served: death, or a model that only fails; None while all is well."""
        if self._failures_in_a_row >= FAILURES_OF_A_BROKEN_MODEL:
            return self.failure or f"the reward model failed {self._failures_in_a_row} times in a row"
        return self.failure

    async def __aenter__(self) -> Self:
        workers = zip(self._scorers, self._threads, strict=True)
        self._tasks = [asyncio.create_task(self._serve(*one), name="reward-batcher") for one in workers]
        return self

    async def score(self, items: Sequence[ItemT], terms: Terms = NO_TERMS) -> list[float]:
        """The rewards of `items`, all or none; the first failure takes its siblings off the queue."""
        self.admit(len(items))
        try:
            async with asyncio.timeout(seconds_until(terms.deadline)):
                return await asyncio.gather(*self._queued(items, terms))
        except TimeoutError as error:
            self._on_late(len(items))
            raise DeadlineMissed("the reward model had no time for it before the deadline") from error
        except DeadlineMissed:
            self._on_late(len(items))
            raise

    def _queued(self, items: Sequence[ItemT], terms: Terms) -> list[asyncio.Future[float]]:
        """The items' futures, once they wait in the line; none of them if it is too late already."""
        if terms.deadline <= monotonic():
            raise DeadlineMissed("the deadline was over before it could wait for the reward model")
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[float]] = [loop.create_future() for _ in items]
        for item, future in zip(items, futures, strict=True):
            self._line.put(Waiting(item, future, futures, terms))
        self._arrival.set()
        return futures

    def admit(self, count: int) -> None:
        """Raise unless `count` more items may wait."""
        if self.failure:
            raise BatcherClosed(f"no scoring: {self.failure}")
        if count > self._limits.waiting:
            raise TooLarge(
                f"{count} candidates in one request; this server takes at most {self._limits.waiting}"
            )
        if self.depth + count > self._limits.waiting:
            self._line.forget_the_gone()
        if self.depth + count > self._limits.waiting:
            raise Overloaded(f"{self.depth} candidates are waiting already; try again in a moment")

    async def _serve(self, scorer: Scorer[ItemT], thread: ThreadPoolExecutor) -> None:
        try:
            while not self._closed:
                batch, tokens = self._next()
                if batch:
                    await self._answer(batch, tokens, scorer, thread)
                else:
                    self._arrival.clear()
                    await self._arrival.wait()
        finally:
            close(self._line)

    def _next(self) -> tuple[list[Waiting[ItemT]], int]:
        """The next batch and what it costs; those that would be too late are told so."""
        batch = take_batch(self._line, self._limits, monotonic(), self._pace)
        for one in batch.late:
            refuse(one, DeadlineMissed("dropped unserved: the reward model needs longer than the deadline"))
        if batch.late and not batch.taken:
            self._pace.forget()
        return batch.taken, batch.tokens

    async def _answer(
        self, batch: list[Waiting[ItemT]], tokens: int, scorer: Scorer[ItemT], thread: ThreadPoolExecutor
    ) -> None:
        """Run the model on one batch and settle every future of it, whatever happens."""
        started, spent = monotonic(), plainly([waiting.item for waiting in batch])
        self._busy += 1
        try:
            items = [waiting.item for waiting in batch]
            loop = asyncio.get_running_loop()
            rewards, spent = await loop.run_in_executor(thread, scored, scorer, items)
            settle(batch, rewards)
            self._failures_in_a_row = 0
            self._pace.took(tokens, monotonic() - started)
        except Exception as error:  # delivered to exactly this batch's callers
            log.exception("a batch of %d could not be scored", len(batch))
            fail(batch, error)
            self._failures_in_a_row += 1
        finally:
            close(batch)
            self._busy -= 1
            self._quiet.set()
        waits = tuple(started - waiting.since for waiting in batch)
        self._on_batch(Served(len(batch), spent, monotonic() - started, waits))

    async def drain(self, seconds: float) -> None:
        """Take nobody new, and serve those who wait for at most so long."""
        self._closing = True
        try:
            async with asyncio.timeout(seconds):
                while (self.depth or self._busy) and not any(task.done() for task in self._tasks):
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            log.warning("%d candidates were still waiting after %g s of draining", self.depth, seconds)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Serve who waits for as long as may be drained, then answer the rest with BatcherClosed.

        A forward pass under way ends first.
        """
        if self._drain_seconds:
            await self.drain(self._drain_seconds)
        self._closing = self._closed = True
        close(self._line)
        self._arrival.set()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            for thread in self._threads:
                thread.shutdown(wait=True)


def seconds_until(deadline: float) -> float | None:
    """How long there is until then; None: for ever."""
    return None if math.isinf(deadline) else deadline - monotonic()


def scored(scorer: Scorer[ItemT], items: Sequence[ItemT]) -> tuple[Sequence[float], Spent]:
    """The rewards and what they cost, on the worker's own thread."""
    rewards = scorer.score(items)
    return rewards, scorer.spent if isinstance(scorer, Accounting) else plainly(items)


def plainly(items: Sequence[ItemT]) -> Spent:
    """What a batch costs when it is run as one, padded to the longest."""
    return Spent(sum(item.tokens for item in items), len(items) * max(item.tokens for item in items), 0)


def settle(batch: Sequence[Waiting[ItemT]], rewards: Sequence[float]) -> None:
    """Give each caller who is still there its reward; one that is not finite fails alone."""
    if len(rewards) != len(batch):
        raise ScoringFailed(f"the reward model gave {len(rewards)} rewards for {len(batch)} candidates")
    for waiting, reward in zip(batch, rewards, strict=True):
        if waiting.future.done():
            continue
        odd = not_finite(reward)
        if odd is None:
            waiting.future.set_result(reward)
        else:
            refuse(
                waiting, ScoringFailed(f"the reward model gave {odd}, not a finite reward{place_of(waiting)}")
            )


def not_finite(reward: float) -> str | None:
    """What of a reward is no finite number, or None: itself, its doubt or a part of it."""
    parts = {"": float(reward)}
    if isinstance(reward, Reward):
        parts |= {"spread ": reward.spread, **{f"{name} ": part for name, part in reward.heads.items()}}
    return next((f"{name}{part}" for name, part in parts.items() if not math.isfinite(part)), None)


def place_of(waiting: Waiting[ItemT]) -> str:
    """Which candidate of its request it is, as a half-sentence."""
    for number, sibling in enumerate(waiting.siblings):
        if sibling is waiting.future:
            return f", for candidate {number + 1} of the {len(waiting.siblings)} in this request"
    return ""


def fail(batch: Sequence[Waiting[ItemT]], error: Exception) -> None:
    """Tell everyone in the batch why it could not be scored, each with an exception of its own."""
    known = isinstance(error, ScoringError)
    message = str(error) if known else f"the reward model raised {type(error).__name__}"
    for waiting in batch:
        if not waiting.future.done():
            failure = type(error)(message) if isinstance(error, TryAgain) else ScoringFailed(message)
            failure.__cause__ = error
            refuse(waiting, failure)


def refuse(waiting: Waiting[ItemT], failure: ScoringError) -> None:
    """Fail one item and, since its caller gets all or none, take the caller's others out of the queue."""
    if not waiting.future.done():
        waiting.future.set_exception(failure)
    for sibling in waiting.siblings:
        sibling.cancel()


def close(waiting: Iterable[Waiting[ItemT]]) -> None:
    """Tell everyone who has no answer yet that none will come."""
    for one in waiting:
        if not one.future.done():
            one.future.set_exception(BatcherClosed("the reward server is shutting down"))
