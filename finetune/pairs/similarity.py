"""How alike two texts are, and which of many are near-duplicates. Pure and deterministic.

Likeness is the Jaccard index of word shingles. Clusters come from MinHash with banding, each suggested match
then checked exactly, so that a hash collision can suggest a match and never make one.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

Shingles = frozenset[str]
BANDS, ROWS = 32, 4  # at Jaccard 0.8 a match is suggested all but surely (misses 5 in 10⁸)
PRIME = (1 << 61) - 1
WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower-case words; punctuation and spacing say nothing about what is asked."""
    return WORD.findall(text.casefold())


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
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    sets = [shingles(text) for text in texts]
    leaders: list[int] = []
    for index, found in enumerate(sets):
        bands = bands_of(found)
        suggested = sorted({leader for band in bands for leader in buckets[band]})
        alike = (leader for leader in suggested if jaccard(found, sets[leader]) >= threshold)
        leaders.append(next(alike, index))
        if leaders[index] == index:
            for band in bands:
                buckets[band].append(index)
    return leaders


def bands_of(found: Shingles) -> list[tuple[int, bytes]]:
    """The signature cut into bands; texts that share one are likely alike."""
    signature = minhash(found)
    return [(band, signature[band * ROWS : (band + 1) * ROWS].tobytes()) for band in range(BANDS)]


def minhash(found: Shingles) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """BANDS x ROWS minima of seeded 32-bit hashes of the shingles."""
    hashes = np.array([int.from_bytes(digest(s), "big") for s in sorted(found)], dtype=np.uint64)
    seeds = np.random.Generator(np.random.PCG64(1)).integers(
        1, 1 << 31, size=(2, BANDS * ROWS), dtype=np.uint64
    )
    mixed = (seeds[0][:, None] * hashes[None, :] + seeds[1][:, None]) % np.uint64(PRIME)
    minima: np.ndarray[tuple[int], np.dtype[np.uint64]] = mixed.min(axis=1)
    return minima


def digest(text: str) -> bytes:
    """Four bytes of a stable hash; Python's own differs from run to run."""
    return hashlib.blake2b(text.encode(), digest_size=4).digest()
