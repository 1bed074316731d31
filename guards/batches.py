"""Texts that many requests want read by one model: taken together as they come, in a thread of its own.

While one batch is read the next gathers, so nobody waits for company, and a busy model reads many texts at once.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reads = Callable[[Sequence[str]], Floats]
MOST_AT_ONCE = 32
MOST_KNOWN = 4096  # vectors


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A text that somebody waits for, and what its vector is kept by."""

    text: str
    key: bytes
    future: "Future[Floats]"


class Batches:
    """Asks a model for vectors of texts, many at once; those of the last texts are known, by digest alone."""

    def __init__(self, reads: Reads, most: int = MOST_AT_ONCE) -> None:
        self._reads = reads
        self._most = most
        self._thread = ThreadPoolExecutor(1, "sentences")
        self._lock = Lock()
        self._waiting: deque[Asked] = deque()
        self._busy = False
        self._known: OrderedDict[bytes, Floats] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> Floats:
        """One vector for each text; raises what the model raises."""
        futures = [self._asked(text) for text in texts]
        try:
            return np.stack(await asyncio.gather(*map(asyncio.wrap_future, futures)))
        finally:
            for future in futures:
                future.cancel()

    def _asked(self, text: str) -> "Future[Floats]":
        key = blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        future: Future[Floats] = Future()
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                future.set_result(known)
                return future
            self._waiting.append(Asked(text, key, future))
            begin, self._busy = not self._busy, True
        if begin:
            self._go_on()
        return future

    def _go_on(self) -> None:
        """Has the texts read that are waited for, and then those that have come meanwhile."""
        if batch := self._next():
            job = self._thread.submit(self._reads, [asked.text for asked in batch])
            job.add_done_callback(partial(self._done, batch))

    def _done(self, batch: "list[Asked]", job: "Future[Floats]") -> None:
        error = job.exception()
        if error is None:
            for asked, vector in zip(batch, job.result(), strict=True):
                self._keep(asked.key, vector)
                asked.future.set_result(vector)
        else:
            for asked in batch:
                asked.future.set_exception(error)
        self._go_on()

    def _next(self) -> "list[Asked]":
        """The texts that are waited for, as many as may be read at once; those whose asker has left are dropped."""
        batch: list[Asked] = []
        with self._lock:
            while self._waiting and len(batch) < self._most:
                asked = self._waiting.popleft()
                if asked.future.set_running_or_notify_cancel():
                    batch.append(asked)
            self._busy = bool(batch)
        return batch

    def _keep(self, key: bytes, vector: Floats) -> None:
        with self._lock:
            self._known[key] = vector
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
