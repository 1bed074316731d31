"""Work that is done sooner together: what many ask for while a batch is computed becomes the next one."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(slots=True)
class Batches(Generic[Item, Made]):
    """One thread that computes whatever waits, at most `most` at a time; nobody waits for a batch to fill.

    What nobody waits for any more is left out, so that a long text which ran out of time holds up nobody else.
    """

    compute: Callable[[Sequence[Item]], Sequence[Made]]
    most: int = 16
    _waiting: "deque[tuple[Item, Future[Made]]]" = field(default_factory=deque)
    _lock: Lock = field(default_factory=Lock)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "batches"))

    async def ask(self, items: Sequence[Item]) -> list[Made]:
        """What each item makes; may be asked from any event loop."""
        futures: list[Future[Made]] = [Future() for _ in items]
        with self._lock:
            self._waiting.extend(zip(items, futures, strict=True))
        for _ in range(0, len(items), self.most):  # as many turns as these items need, if nobody joins them
            self._thread.submit(self._turn)
        return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))

    def _turn(self) -> None:
        """Computes what waits; those who came since the last turn share it."""
        batch = self._next()
        futures = [future for _, future in batch]
        if not batch:
            return
        try:
            made = self.compute([item for item, _ in batch])
        except Exception as error:
            for future in futures:
                future.set_exception(error)
            raise
        for future, each in zip(futures, made, strict=True):
            future.set_result(each)

    def _next(self) -> "list[tuple[Item, Future[Made]]]":
        batch: list[tuple[Item, Future[Made]]] = []
        with self._lock:
            while self._waiting and len(batch) < self.most:
                item, future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    batch.append((item, future))
        return batch
