"""How far alarms agree with labels, and probabilities with what came true; each with its 95 % interval."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from guards.measure import Figure, Scores, separation, share, threshold_at

Flags = NDArray[np.bool_]
RATES = (0.01, 0.05)
RESAMPLES = 200
BINS = 10


def compared(harmful: Scores, harmless: Scores) -> dict[str, dict[str, float]]:
    """Separation, and the recall at each rate of false alarms."""
    told = {"auroc": separation(harmful, harmless).told()}
    for rate in RATES:
        told[f"recall_at_{rate:g}"] = share(harmful > threshold_at(harmless, rate)).told()
    return told


def f1(alarms: Flags, unsafe: Flags) -> Figure:
    """The harmonic mean of precision and recall."""
    return resampled(lambda chosen: f1_of(alarms[chosen], unsafe[chosen]), len(unsafe))


def f1_of(alarms: Flags, unsafe: Flags) -> float:
    """The value alone; 0 where nothing was found."""
    hits = float(np.sum(alarms & unsafe))
    return 2 * hits / max(1.0, float(np.sum(alarms)) + float(np.sum(unsafe)))


def calibration_error(scores: Scores, unsafe: Flags) -> Figure:
    """The expected calibration error over ten bins of equal width."""
    return resampled(lambda chosen: error_of(scores[chosen], unsafe[chosen]), len(unsafe))


def error_of(scores: Scores, unsafe: Flags) -> float:
    """The value alone."""
    size = max(1, len(scores))
    return sum(number * abs(promised - real) for promised, real, number in bins_of(scores, unsafe)) / size


def bins_of(scores: Scores, unsafe: Flags) -> list[tuple[float, float, int]]:
    """For each bin that holds any text: mean probability, share that is harmful, number of texts."""
    places = np.minimum((scores * BINS).astype(int), BINS - 1)
    found = []
    for place in range(BINS):
        own = places == place
        if own.any():
            found.append((float(scores[own].mean()), float(unsafe[own].mean()), int(own.sum())))
    return found


def resampled(figure: Callable[[NDArray[np.int64]], float], size: int) -> Figure:
    """A figure with its bootstrap interval."""
    if size == 0:
        return Figure(math.nan, math.nan, math.nan, 0)
    rng = np.random.default_rng(0)
    drawn = [figure(rng.integers(0, size, size)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = figure(np.arange(size))
    return Figure(value, min(value, float(low)), max(value, float(high)), size)
