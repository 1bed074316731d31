"""Intervals of means over prompts: whole prompts are resampled."""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 4000


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean."""
    found = np.asarray(values)
    places = np.random.default_rng(seed).integers(0, len(found), (RESAMPLES, len(found)))
    low, high = np.quantile(found[places].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def ratio_interval(above: Sequence[float], below: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The same of the ratio of two means over the same prompts."""
    first, second = np.asarray(above), np.asarray(below)
    places = np.random.default_rng(seed).integers(0, len(first), (RESAMPLES, len(first)))
    low, high = np.quantile(first[places].mean(axis=1) / second[places].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
