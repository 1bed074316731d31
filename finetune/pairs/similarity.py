"""How alike two texts are, and which of many are near-duplicates. Pure and deterministic.

Likeness is the Jaccard index of word shingles. Clusters come from MinHash with banding, each suggested match
then checked exactly, so that a hash collision can suggest a match and never make one.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache

import numpy as np

from guards.text.view import View
from guards.text.visible import visible

Shingles = frozenset[str]
DOUBT = 0.2  # by which a signature's estimate may be too low: more than five of its standard deviations
BANDS, ROWS = 32, 4  # at Jaccard 0.8 a match is suggested all but surely (misses 5 in 10⁸)
WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower-case words as a reader sees them; punctuation, spacing and invisible characters say nothing."""
    seen = text if text.isascii() else visible(View("raw", text)).text
    return WORD.findall(seen.casefold())


def shingles(text: str, size: int = 2) -> Shingles:
    """Every run of `size` words; the text's ends count as words, so that no text is without a shingle."""
    told = ["^", *words(text), "$"]
    return frozenset(" ".join(told[i : i + size]) for i in range(max(1, len(told) - size + 1)))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Shared shingles over all shingles: 1 for equal sets, 0 for disjoint ones."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def clusters(texts: Sequence[str], threshold: float) -> list[int]:
    """For each text the index of the first earlier text that it nearly repeats, itself where there is none.

    Only such firsts represent a cluster, so no two representatives are alike.
    """
    leaders: list[int] = []
    known = Known(threshold)
    for index, text in enumerate(texts):
        found = shingles(text)
        leader = known.like(found)
        leaders.append(index if leader is None else leader)
        if leader is None:
            known.add(index, found)
    return leaders


class Known:
    """Texts that others are held against: found by their MinHash bands, estimated, and only then compared exactly."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._sets: list[Shingles] = []
        self._names: list[int] = []
        self._signatures = np.zeros((64, BANDS * ROWS), dtype=np.uint32)
        self._buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)

    def add(self, name: int, found: Shingles) -> None:
        """Hold later ones against this one, under a name."""
        place, signature = len(self._sets), minhash(found)
        if place == len(self._signatures):
            self._signatures = np.concatenate([self._signatures, np.zeros_like(self._signatures)])
        self._signatures[place] = signature
        self._sets.append(found)
        self._names.append(name)
        for band in bands_of(signature):
            self._buckets[band].append(place)

    def like(self, found: Shingles) -> int | None:
        """The name of the first that is as like as the threshold asks; None where none is."""
        if not self._sets:
            return None
        signature = minhash(found)
        suggested = {place for band in bands_of(signature) for place in self._buckets.get(band, ())}
        places = np.array(sorted(suggested), dtype=np.int64)
        agreeing = (self._signatures[places] == signature).mean(axis=1)
        for place in places[agreeing >= self._threshold - DOUBT]:
            if jaccard(found, self._sets[int(place)]) >= self._threshold:
                return self._names[int(place)]
        return None


def bands_of(signature: "np.ndarray[tuple[int], np.dtype[np.uint32]]") -> list[tuple[int, bytes]]:
    """The signature cut into bands; texts that share one are likely alike."""
    data = signature.tobytes()
    width = len(data) // BANDS
    return [(band, data[band * width : (band + 1) * width]) for band in range(BANDS)]


@cache
def seeds() -> "np.ndarray[tuple[int, int], np.dtype[np.uint64]]":
    """An odd factor and a summand for each hash of a signature, always the same."""
    drawn = np.random.Generator(np.random.PCG64(1)).integers(
        1, 1 << 63, size=(2, BANDS * ROWS, 1), dtype=np.uint64
    )
    drawn[0] |= np.uint64(1)
    return drawn


def minhash(found: Shingles) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    """BANDS x ROWS minima of multiply-shift hashes of the shingles (Dietzfelbinger et al. 1997)."""
    data = b"".join(digest(shingle) for shingle in found)
    hashes = np.frombuffer(data, dtype=np.uint64)
    factor, summand = seeds()
    mixed = (factor * hashes[None, :] + summand) >> np.uint64(32)
    minima: np.ndarray[tuple[int], np.dtype[np.uint32]] = mixed.min(axis=1).astype(np.uint32)
    return minima


def digest(text: str) -> bytes:
    """Eight bytes of a stable hash; Python's own differs from run to run."""
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
