"""Measured values with their 95 % intervals."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Z = 1.959964
RESAMPLES = 400
BINS = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, its 95 % interval, and from how many values it comes."""

    value: float
    low: float
    high: float
    values: int

    def told(self) -> dict[str, float]:
        """As JSON has it, to four places."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def share(flags: Sequence[float] | Values) -> Figure:
    """A share with Wilson's interval; a flag may be a half, for a tie."""
    size = len(flags)
    if size == 0:
        return Figure(math.nan, math.nan, math.nan, 0)
    rate = float(np.mean(flags))
    middle = (rate + Z * Z / (2 * size)) / (1 + Z * Z / size)
    half = Z / (1 + Z * Z / size) * math.sqrt(rate * (1 - rate) / size + Z * Z / (4 * size * size))
    return Figure(rate, max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half)), size)


def resampled(figure: Callable[[NDArray[np.int64]], float], size: int, seed: int = 0) -> Figure:
    """A figure of rows with its bootstrap interval (percentiles); the same seed draws the same rows."""
    rng = np.random.default_rng(seed)
    drawn = [figure(rng.integers(0, size, size)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = figure(np.arange(size))
    return Figure(value, min(value, float(low)), max(value, float(high)), size)


def bins_of(promised: Values, happened: Values) -> list[tuple[float, float, int]]:
    """For each of ten bins that holds any: mean probability, share that happened, how many."""
    places = np.minimum((promised * BINS).astype(int), BINS - 1)
    found = []
    for place in range(BINS):
        own = places == place
        if own.any():
            found.append((float(promised[own].mean()), float(happened[own].mean()), int(own.sum())))
    return found


def calibration_error(promised: Values, happened: Values) -> Figure:
    """The expected calibration error over ten bins of equal width (Naeini et al. 2015).

    Few pairs make it large by chance alone: its interval is of resampled pairs, and leans upwards.
    """

    def error(chosen: NDArray[np.int64]) -> float:
        bins = bins_of(promised[chosen], happened[chosen])
        return sum(count * abs(said - was) for said, was, count in bins) / len(chosen)

    return resampled(error, len(promised))
