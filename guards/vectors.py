"""Vectors of texts from one model: many requests' texts are read together, and those of the last texts are known."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from guards.batches import Batches

Floats = NDArray[np.float32]
Reads = Callable[[Sequence[str]], Floats]
MOST_AT_ONCE = 32
MOST_KNOWN = 4096  # vectors


class Vectors:
    """Asks a model for vectors of texts it has not read lately; what it has read is kept by digest alone."""

    def __init__(self, reads: Reads, most: int = MOST_AT_ONCE) -> None:
        self._batches: Batches[str, Floats] = Batches(lambda texts: list(reads(texts)), most)
        self._known: OrderedDict[bytes, Floats] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> Floats:
        """One vector for each text; raises what the model raises."""
        keys = [blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest() for text in texts]
        found = {key: self._known[key] for key in keys if key in self._known}
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if fresh:
            read = await self._batches.ask(list(fresh.values()))
            found |= zip(fresh, read, strict=True)
        for key in found:
            self._keep(key, found[key])
        return np.stack([found[key] for key in keys])

    def _keep(self, key: bytes, vector: Floats) -> None:
        self._known[key] = vector
        self._known.move_to_end(key)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
