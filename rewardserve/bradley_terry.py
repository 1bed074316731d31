"""From who beats whom, and how surely, to one number for each: the strengths of Bradley and Terry. Pure.

P(i beats j) = 1 / (1 + exp(s_j − s_i)). Bradley and Terry 1952; outcomes may be probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Of a prior normal at 0, whose variance is 1/PRIOR: keeps the strength finite of one that beats everyone.
PRIOR = 0.05
STEPS, PRECISION = 100, 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two that were compared, by their numbers, and the probability that the first is the better."""

    first: int
    second: int
    first_wins: float


def strengths(count: int, comparisons: Sequence[Comparison]) -> list[float]:
    """The strength of each of `count`, in nats, 0 on average; found by Newton's method."""
    found = np.zeros(count)
    first = np.array([one.first for one in comparisons], dtype=int)
    second = np.array([one.second for one in comparisons], dtype=int)
    won = np.array([one.first_wins for one in comparisons], dtype=float)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(found[first] - found[second])))
        slope = -PRIOR * found
        np.add.at(slope, first, won - chance)
        np.add.at(slope, second, chance - won)
        step = np.linalg.solve(curvature(count, first, second, chance * (1 - chance)), slope)
        found += step
        if float(np.abs(step).max(initial=0.0)) < PRECISION:
            break
    return [float(value) for value in found - (found.mean() if count else 0.0)]


def curvature(
    count: int, first: NDArray[np.int_], second: NDArray[np.int_], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The negative second derivatives of the log-posterior, (count, count)."""
    found = PRIOR * np.eye(count)
    for sign, rows, columns in (
        (1, first, first),
        (1, second, second),
        (-1, first, second),
        (-1, second, first),
    ):
        np.add.at(found, (rows, columns), sign * weight)
    return found
