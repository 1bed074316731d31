"""How well scores tell two kinds of text apart, each figure with its 95 % interval."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, its 95 % interval, and from how many values it comes."""

    value: float
    low: float
    high: float
    values: int

    def told(self) -> dict[str, float]:
        """As JSON has it, to four places."""
        return {key: round(value, 4) for key, value in asdict(self).items()}


def share(flags: Sequence[bool] | NDArray[np.bool_]) -> Figure:
    """A share with Wilson's interval."""
    size, z = len(flags), 1.96
    if size == 0:
        return Figure(math.nan, math.nan, math.nan, 0)
    rate = float(np.mean(flags))
    middle = (rate + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(rate * (1 - rate) / size + z * z / (4 * size * size))
    return Figure(rate, max(0.0, middle - half), min(1.0, middle + half), size)


def separation(harmful: Scores, harmless: Scores, seed: int = 0) -> Figure:
    """The area under the ROC curve, with a bootstrap interval."""
    rng = np.random.default_rng(seed)
    drawn = [
        area(rng.choice(harmful, len(harmful)), rng.choice(harmless, len(harmless))) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(area(harmful, harmless), float(low), float(high), len(harmful) + len(harmless))


def area(harmful: Scores, harmless: Scores) -> float:
    """The chance that a harmful text scores above a harmless one; ties count half."""
    ordered = np.sort(harmless)
    below = np.searchsorted(ordered, harmful, side="left")
    not_above = np.searchsorted(ordered, harmful, side="right")
    return float(np.mean((below + not_above) / 2) / len(harmless))


def threshold_at(harmless: Scores, rate: float) -> float:
    """The score that only this share of harmless texts exceeds."""
    return float(np.quantile(harmless, 1 - rate))
