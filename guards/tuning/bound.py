"""Which threshold keeps a promised rate of false alarms, as far as so many harmless texts can tell. Pure.

How many of n harmless texts may reach the threshold is settled by n alone, before any score is looked at (split
conformal); so the promise holds whatever the scores are like, as long as later texts come from where these came from.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guards.measure import Scores

STEPS = 60  # of a bisection, until doubles tell no more
FINEST = 10_000  # of a threshold's steps in 1: people are to read it


@dataclass(frozen=True, slots=True)
class Promise:
    """A rate of false alarms that is exceeded with a chance of at most 1 - confidence."""

    rate: float
    confidence: float = 0.95

    @property
    def least(self) -> int:
        """How many harmless texts it takes at the least, none of which may then raise an alarm."""
        return math.ceil(math.log(1 - self.confidence) / math.log(1 - self.rate))

    def allowed(self, size: int) -> int:
        """How many of so many harmless texts may raise an alarm; -1 where even none is no promise."""
        low, high = -1, size
        while high - low > 1:
            middle = (low + high) // 2
            if upper_bound(middle, size, self.confidence) <= self.rate:
                low = middle
            else:
                high = middle
        return low


def upper_bound(alarms: int, size: int, confidence: float) -> float:
    """Clopper and Pearson's upper bound of a rate of which `alarms` of `size` were seen."""
    if alarms >= size:
        return 1.0
    low, high = alarms / size, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if at_most(alarms, size, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def at_most(count: int, size: int, rate: float) -> float:
    """The chance of at most `count` among `size` at this rate."""
    if rate <= 0 or rate >= 1:
        return float(rate <= 0)
    numbers: NDArray[np.float64] = np.arange(1, count + 1, dtype=float)
    steps = np.log(size - numbers + 1) - np.log(numbers) + math.log(rate) - math.log1p(-rate)
    logs = size * math.log1p(-rate) + np.concatenate([[0.0], np.cumsum(steps)])
    top = float(logs.max())
    return min(1.0, math.exp(top) * float(np.exp(logs - top).sum()))


def threshold_for(harmless: Scores, promise: Promise) -> float | None:
    """The smallest threshold that keeps the promise; None where there is none, or too few texts to tell."""
    allowed = promise.allowed(len(harmless))
    if allowed < 0:
        return None
    if allowed >= len(harmless):
        return 1 / FINEST
    reached = float(np.sort(harmless)[::-1][allowed])  # the first that must stay below
    threshold = (math.floor(reached * FINEST) + 1) / FINEST
    return threshold if threshold <= 1 else None
