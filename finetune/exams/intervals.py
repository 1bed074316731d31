"""How sure a measured figure is. Pure; 95 % unless told otherwise, and seeded where it resamples.

Answers to one prompt are alike, so the prompt, not the answer, is the unit that is resampled. A bootstrap knows nothing
of what it has not seen: an interval of rates is no narrower than what so few prompts could have hidden.
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

    Of a rate it is no narrower than Wilson over prompts. Where all prompts agree, values between 0 and 1 have Wilson's
    interval alone; of other values the method says that there is no spread to tell an interval from.
    """
    sums, counts = totals(values)
    if not len(counts):
        return NOTHING
    value = float(sums.sum() / counts.sum())
    low, high = percentile_interval(ratio_resamples(sums, counts, seed), confidence)
    method = f"cluster bootstrap by prompt, {RESAMPLES} resamples"
    varies = not math.isclose(low, high, abs_tol=1e-12)
    if varies and are_marks(values):
        below, above = margins(sums / counts, confidence)
        low, high = max(0.0, min(low, value - below)), min(1.0, max(high, value + above))
        method += ", no narrower than Wilson over prompts"
    elif not varies and all(0 <= one <= 1 for told in values.values() for one in told):
        low, high = wilson(value * len(counts), len(counts), confidence)
        method = "Wilson over prompts"
    elif not varies:
        method = f"no spread between {len(counts)} prompts: no interval"
    return Estimate(value, low, high, int(counts.sum()), len(counts), method)


def difference_of(before: Clusters, after: Clusters, *, seed: int = 0, confidence: float = 0.95) -> Estimate:
    """The mean after less the mean before, on the same prompts, which are resampled together.

    Of rates it is no narrower than MOVER's interval of what rose, by prompt, less what fell (Zou & Donner 2008).
    """
    shared = [prompt for prompt in before if before[prompt] and after.get(prompt)]
    if not shared:
        return NOTHING
    first, second = (totals({prompt: told[prompt] for prompt in shared}) for told in (before, after))
    value = float(second[0].sum() / second[1].sum() - first[0].sum() / first[1].sum())
    resamples = ratio_resamples(*second, seed) - ratio_resamples(*first, seed)
    low, high = percentile_interval(resamples, confidence)
    method = "paired cluster bootstrap by prompt"
    if are_marks(before) and are_marks(after):
        below, above = paired_margins(second[0] / second[1] - first[0] / first[1], confidence)
        low, high = max(-1.0, min(low, value - below)), min(1.0, max(high, value + above))
        method += ", no narrower than MOVER over prompts"
    elif low == high:
        low, high = unvarying(value, len(shared), confidence)
    answers = int(first[1].sum() + second[1].sum())
    return Estimate(value, low, high, answers, len(shared), method)


def are_marks(values: Clusters) -> bool:
    """Whether all of them are 0 or 1, so that their mean is a rate."""
    return all(one in {0.0, 1.0} for told in values.values() for one in told)


def margins(shares: Floats, confidence: float) -> tuple[float, float]:
    """By how much the mean of prompts' shares may be too high, and too low, also where hardly any is above 0.

    Wilson's interval in units of how much of a prompt is hit at a time; one hit more, of a whole prompt, is thought to
    that: of hits that were never seen nobody knows that they would be small.
    """
    mean, prompts = float(shares.mean()), len(shares)
    unit = float(shares @ shares + 1) / float(shares.sum() + 1)
    low, high = wilson(mean / unit * prompts, prompts, confidence)
    return mean - unit * low, unit * high - mean


def paired_margins(changes: Floats, confidence: float) -> tuple[float, float]:
    """By how much the mean change may be too high, and too low."""
    rise_below, rise_above = margins(np.maximum(changes, 0.0), confidence)
    fall_below, fall_above = margins(np.maximum(-changes, 0.0), confidence)
    return math.hypot(rise_below, fall_above), math.hypot(rise_above, fall_below)


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
