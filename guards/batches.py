"""Texts that many requests want read by one model: taken together as they come, in a thread of its own.

While one batch is read the next gathers, so nobody waits for company, and a busy model reads many texts at once.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reads = Callable[[Sequence[str]], Floats]
MOST_AT_ONCE = 32
MOST_KNOWN = 4096  # vectors


class Batches:
    """Asks a model for vectors of texts, many at once; those of the last texts are known, by digest alone."""

    def __init__(self, reads: Reads, most: int = MOST_AT_ONCE) -> None:
        self._reads = reads
        self._most = most
        self._thread = ThreadPoolExecutor(1, "sentences")
        self._lock = Lock()
        self._waiting: deque[tuple[str, bytes, Future[Floats]]] = deque()
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
            self._waiting.append((text, key, future))
            begin, self._busy = not self._busy, True
        if begin:
            self._thread.submit(self._work)
        return future

    def _work(self) -> None:
        while batch := self._next():
            texts = [text for text, _, _ in batch]
            try:
                vectors = self._reads(texts)
            except Exception as error:  # noqa: BLE001 - told to everybody who waits for the batch
                for _, _, future in batch:
                    future.set_exception(error)
                continue
            for (_, key, future), vector in zip(batch, vectors, strict=True):
                self._keep(key, vector)
                future.set_result(vector)

    def _next(self) -> list[tuple[str, bytes, "Future[Floats]"]]:
        """The texts that are waited for, as many as may be read at once; those whose asker has left are dropped."""
        batch: list[Any] = []
        with self._lock:
            while self._waiting and len(batch) < self._most:
                asked = self._waiting.popleft()
                if asked[2].set_running_or_notify_cancel():
                    batch.append(asked)
            self._busy = bool(batch)
        return batch

    def _keep(self, key: bytes, vector: Floats) -> None:
        with self._lock:
            self._known[key] = vector
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
