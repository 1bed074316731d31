"""Many callers, one model call at a time: decide which callers share a batch, score it, answer each of them.

A batch is bounded by what is scarce, padded tokens (longest times count). There is no timer: whoever waits
when the model is free goes together, and the next batch gathers while the model is busy.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Generic, Self

from rewardserve.errors import BatcherClosed, Overloaded, ScoringError, ScoringFailed, TooLarge
from rewardserve.scorer import ItemT

log = logging.getLogger(__name__)
# A model that fails this often in a row is broken, as after an assert on a GPU, and wants a restart.
FAILURES_OF_A_BROKEN_MODEL = 5


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch and the queue may hold."""

    items: int = 64
    padded_tokens: int = 16_384
    waiting: int = 4_096


@dataclass(frozen=True, slots=True)
class Waiting(Generic[ItemT]):
    """One item, and the future on which its caller waits, beside those of the caller's other items."""

    item: ItemT
    future: asyncio.Future[float]
    siblings: Sequence[asyncio.Future[float]] = ()
    since: float = field(default_factory=perf_counter)


@dataclass(frozen=True, slots=True)
class Served:
    """The account of one batch that went through the model."""

    items: int
    padded_tokens: int
    forward_seconds: float
    wait_seconds: tuple[float, ...]


class Batcher(Generic[ItemT]):
    """The one owner of the queue and of the thread that runs the model; use it as `async with`."""

    def __init__(
        self,
        score: Callable[[Sequence[ItemT]], Sequence[float]],
        limits: BatchLimits,
        on_batch: Callable[[Served], None],
    ) -> None:
        self._score = score
        self._limits = limits
        self._on_batch = on_batch
        self._waiting: deque[Waiting[ItemT]] = deque()
        self._arrival = asyncio.Event()
        self._closed = False
        self._failures_in_a_row = 0
        self._task: asyncio.Task[None] | None = None
        # One thread of its own: a forward pass on changing threads would build a new OpenMP pool on each.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reward-model")

    @property
    def depth(self) -> int:
        """How many items wait for the model."""
        return len(self._waiting)

    @property
    def failure(self) -> str | None:
        """Why nobody is served any more, or None while all is well."""
        if self._closed or self._task is None:
            return "the batcher is not running"
        if not self._task.done():
            return None
        error = None if self._task.cancelled() else self._task.exception()
        return f"the batcher died: {type(error).__name__}: {error}" if error else "the batcher was cancelled"

    @property
    def ailment(self) -> str | None:
        """Why nobody is likely to be served: death, or a model that only fails; None while all is well."""
        if self._failures_in_a_row >= FAILURES_OF_A_BROKEN_MODEL:
            return self.failure or f"the reward model failed {self._failures_in_a_row} times in a row"
        return self.failure

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._serve(), name="reward-batcher")
        return self

    async def score(self, items: Sequence[ItemT]) -> list[float]:
        """The rewards of `items`, all or none; the first failure takes its siblings off the queue."""
        self.admit(len(items))
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[float]] = [loop.create_future() for _ in items]
        pairs = zip(items, futures, strict=True)
        self._waiting.extend(Waiting(item, future, futures) for item, future in pairs)
        self._arrival.set()
        return await asyncio.gather(*futures)

    def admit(self, count: int) -> None:
        """Raise unless `count` more items may wait."""
        if self.failure:
            raise BatcherClosed(f"no scoring: {self.failure}")
        if count > self._limits.waiting:
            raise TooLarge(
                f"{count} candidates in one request; this server takes at most {self._limits.waiting}"
            )
        if len(self._waiting) + count > self._limits.waiting:
            self._forget_the_gone()
        if len(self._waiting) + count > self._limits.waiting:
            raise Overloaded(f"{len(self._waiting)} candidates are waiting already; try again in a moment")

    def _forget_the_gone(self) -> None:
        self._waiting = deque(waiting for waiting in self._waiting if not waiting.future.done())

    async def _serve(self) -> None:
        try:
            while not self._closed:
                await self._arrival.wait()
                self._arrival.clear()
                while batch := take_batch(self._waiting, self._limits):
                    await self._answer(batch)
        finally:
            close(self._waiting)

    async def _answer(self, batch: list[Waiting[ItemT]]) -> None:
        """Run the model on one batch and settle every future of it, whatever happens."""
        started = perf_counter()
        try:
            rewards = await self._run([waiting.item for waiting in batch])
            settle(batch, rewards)
            self._failures_in_a_row = 0
        except Exception as error:  # delivered to exactly this batch's callers
            log.exception("a batch of %d could not be scored", len(batch))
            fail(batch, error)
            self._failures_in_a_row += 1
        finally:
            close(batch)
        self._on_batch(account(batch, started))

    async def _run(self, items: list[ItemT]) -> Sequence[float]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._score, items)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer whoever waits with BatcherClosed; a forward pass under way ends first."""
        self._closed = True
        close(self._waiting)
        self._arrival.set()
        try:
            if self._task is not None:
                await self._task
        finally:
            self._thread.shutdown(wait=True)


def take_batch(waiting: deque[Waiting[ItemT]], limits: BatchLimits) -> list[Waiting[ItemT]]:
    """Pop the oldest callers that fit in one batch; drop those that have gone away."""
    batch: list[Waiting[ItemT]] = []
    longest = 0
    while waiting and len(batch) < limits.items:
        if waiting[0].future.done():
            waiting.popleft()
            continue
        longest = max(longest, waiting[0].item.tokens)
        if batch and longest * (len(batch) + 1) > limits.padded_tokens:
            break
        batch.append(waiting.popleft())
    return batch


def settle(batch: Sequence[Waiting[ItemT]], rewards: Sequence[float]) -> None:
    """Give each caller who is still there its reward; one that is not finite fails alone."""
    if len(rewards) != len(batch):
        raise ScoringFailed(f"the reward model gave {len(rewards)} rewards for {len(batch)} candidates")
    for waiting, reward in zip(batch, rewards, strict=True):
        if waiting.future.done():
            continue
        if math.isfinite(reward):
            waiting.future.set_result(reward)
        else:
            refuse(waiting, ScoringFailed(f"the reward model gave {reward}, not a finite reward"))


def fail(batch: Sequence[Waiting[ItemT]], error: Exception) -> None:
    """Tell everyone in the batch why it could not be scored, each with an exception of its own."""
    known = isinstance(error, ScoringError)
    message = str(error) if known else f"the reward model raised {type(error).__name__}"
    for waiting in batch:
        if not waiting.future.done():
            failure = ScoringFailed(message)
            failure.__cause__ = error
            refuse(waiting, failure)


def refuse(waiting: Waiting[ItemT], failure: ScoringFailed) -> None:
    """Fail one item and, since its caller gets all or none, take the caller's others out of the queue."""
    waiting.future.set_exception(failure)
    for sibling in waiting.siblings:
        sibling.cancel()


def close(waiting: Sequence[Waiting[ItemT]] | deque[Waiting[ItemT]]) -> None:
    """Tell everyone who has no answer yet that none will come."""
    for one in waiting:
        if not one.future.done():
            one.future.set_exception(BatcherClosed("the reward server is shutting down"))


def account(batch: Sequence[Waiting[ItemT]], started: float) -> Served:
    """What the batch that `started` at that moment cost."""
    return Served(
        items=len(batch),
        padded_tokens=len(batch) * max(waiting.item.tokens for waiting in batch),
        forward_seconds=perf_counter() - started,
        wait_seconds=tuple(started - waiting.since for waiting in batch),
    )
