"""The win rate at equal lengths: what a longer answer wins by its length alone is taken off. Pure.

As AlpacaEval 2 does it (arXiv 2404.04475): a logistic regression of wins on tanh of the standardised difference of
lengths; its intercept is the win rate of an answer that is no longer than the other's. Without their term for how
hard each prompt is: here two policies are compared, and not many.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.exams.intervals import NOTHING, Estimate

RESAMPLES, ROUNDS = 400, 12
FEWEST, ONE_SIDED = 20, 0.05  # prompts, and the least share of them on either side
RIDGE = 1e-2  # keeps a perfect separation finite
Floats = NDArray[np.float64]


def at_equal_length(couples: Mapping[str, Sequence[tuple[float, float]]], *, seed: int = 0) -> Estimate:
    """The win rate at equal lengths, from (share won, words more than the other) by prompt; 95 % by bootstrap."""
    told = [each for each in couples.values() if each]
    if not told:
        return NOTHING
    won, longer = (np.array([np.mean([one[i] for one in each]) for each in told]) for i in (0, 1))
    if len(told) < FEWEST or not ONE_SIDED <= float(np.mean(longer > 0)) <= 1 - ONE_SIDED:
        # No answer is as long as the other: what length has won cannot be told from what the rest has.
        return Estimate(
            0.5, 0.0, 1.0, sum(map(len, told)), len(told), "too few prompts, or all longer or shorter"
        )
    spread = float(longer.std()) or 1.0
    terms = np.stack([np.ones_like(won), np.tanh(longer / spread)], axis=1)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(won), size=(RESAMPLES, len(won)))
    rates = sorted(fitted(terms[rows], won[rows]) for rows in drawn)
    low, high = np.quantile(rates, [0.025, 0.975])
    method = f"logistic regression on length, {RESAMPLES} resamples of prompts"
    return Estimate(fitted(terms, won), float(low), float(high), sum(map(len, told)), len(told), method)


def fitted(terms: Floats, won: Floats) -> float:
    """The rate at the intercept, by Newton's method."""
    weights = np.zeros(terms.shape[1])
    for _ in range(ROUNDS):
        rate = 1 / (1 + np.exp(-terms @ weights))
        slope = terms.T @ (won - rate) - RIDGE * weights
        curve = (terms * (rate * (1 - rate))[:, None]).T @ terms + RIDGE * np.eye(terms.shape[1])
        weights = weights + np.linalg.solve(curve, slope)
    return float(1 / (1 + np.exp(-weights[0])))
