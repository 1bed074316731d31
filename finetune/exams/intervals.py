"""How sure a measured figure is. Pure; 95 % unless told otherwise, and seeded where it resamples.

Answers to one prompt are alike, so the prompt, not the answer, is the unit that is resampled.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
Floats = NDArray[np.float64]
Clusters = Mapping[str, Sequence[float]]  # prompt id → one value per sampled answer


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its interval, and from how many values of how many prompts it comes."""

    value: float
    low: float
    high: float
    values: int
    prompts: int
    method: str


# Told of a rate, or of a difference of rates, when there was nothing to measure: it may be anything.
NOTHING = Estimate(0.0, -1.0, 1.0, 0, 0, "nothing measured")


def wilson(hits: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a rate; (0, 1) where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = hits / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z * (rate * (1 - rate) / trials + z * z / (4 * trials * trials)) ** 0.5 / scale
    return max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half))


def mean_of(values: Clusters, *, seed: int = 0, confidence: float = 0.95) -> Estimate:
    """A mean (a rate, where values are 0 and 1) by cluster bootstrap over prompts.

    Where the bootstrap cannot vary, because all prompts agree, values between 0 and 1 fall back to Wilson over
    prompts; of other values the method says that there is no spread to tell an interval from.
    """
    sums, counts = totals(values)
    if not len(counts):
        return NOTHING
    value = float(sums.sum() / counts.sum())
    low, high = percentile_interval(ratio_resamples(sums, counts, seed), confidence)
    method = f"cluster bootstrap by prompt, {RESAMPLES} resamples"
    if math.isclose(low, high, abs_tol=1e-12) and all(
        0 <= one <= 1 for told in values.values() for one in told
    ):
        low, high = wilson(value * len(counts), len(counts), confidence)
        method = "Wilson over prompts"
    elif math.isclose(low, high, abs_tol=1e-12):
        method = f"no spread between {len(counts)} prompts: no interval"
    return Estimate(value, low, high, int(counts.sum()), len(counts), method)


def difference_of(before: Clusters, after: Clusters, *, seed: int = 0, confidence: float = 0.95) -> Estimate:
    """The mean after less the mean before, on the same prompts, which are resampled together."""
    shared = [prompt for prompt in before if before[prompt] and after.get(prompt)]
    if not shared:
        return NOTHING
    first, second = (totals({prompt: told[prompt] for prompt in shared}) for told in (before, after))
    value = float(second[0].sum() / second[1].sum() - first[0].sum() / first[1].sum())
    resamples = ratio_resamples(*second, seed) - ratio_resamples(*first, seed)
    low, high = percentile_interval(resamples, confidence)
    if low == high:
        low, high = unvarying(value, len(shared), confidence)
    answers = int(first[1].sum() + second[1].sum())
    return Estimate(value, low, high, answers, len(shared), "paired cluster bootstrap by prompt")


def unvarying(value: float, prompts: int, confidence: float) -> tuple[float, float]:
    """The interval of a difference that no resample changes: what so few prompts could still have hidden."""
    hidden = wilson(0, prompts, confidence)[1]
    return value - hidden, value + hidden


def totals(values: Clusters) -> tuple[Floats, Floats]:
    """Sum and count per prompt, prompts without values left out."""
    told = [list(cluster) for cluster in values.values() if len(cluster)]
    return np.array([sum(c) for c in told], dtype=float), np.array([len(c) for c in told], dtype=float)


def ratio_resamples(sums: Floats, counts: Floats, seed: int) -> Floats:
    """Means of prompts drawn with replacement; the same seed draws the same prompts."""
    drawn = np.random.default_rng(seed).integers(0, len(counts), size=(RESAMPLES, len(counts)))
    means: Floats = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means


def percentile_interval(resamples: Floats, confidence: float) -> tuple[float, float]:
    """The middle of the resampled values."""
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(resamples, [tail, 100 - tail])
    return float(low), float(high)
