"""HedgeTune: the strength at which the trusted reward stops rising, from answers of the policy alone.

For each prompt, u is the proxy quantile of an answer and r its gold reward. At strength s the chosen answer has the
density p(u; s), so the gold reward to be expected changes with s by

    slope(s) = ∫ p(u; s) · (r(u) − r̄) · ψ(u; s) du,       ψ = ∂ ln p / ∂s

    best-of-n        p = n·u^(n−1)                   F = u^n
    best-of-Poisson  p = (1 + μu)·exp(μ(u − 1))      F = u·exp(μ(u − 1))
    soft best-of-n   at a fixed n, over b = 1/λ: the covariance of proxy and gold under exp(b·proxy)

and the peak is where its sign turns from + to −. An answer stands for its share of the quantiles, over which p·ψ is
integrated exactly: it is the change of ∂F/∂s between their ends. At mid-quantiles, as a sum over answers has it, the
tail would weigh too little once n comes near the number of answers. Taking off each prompt's mean r̄ removes rounding.
Source: arXiv 2506.19248; the slopes are derived from its densities. Intervals are bootstraps over prompts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.strength.answers import Floats, Ranked

RESAMPLES, SEED = 1000, 7
GRID = 240  # strengths at which resamples are looked at
HALVINGS = 60
Slopes = Callable[[float], Floats]  # of each prompt, at a strength


@dataclass(frozen=True, slots=True)
class Peak:
    """The strength of the peak, None where the slope is still rising at the end; and a 95 % interval.

    A resample without a peak counts as the end of the range.
    """

    value: float | None
    low: float
    high: float
    without: float  # the share of resamples that had none


def best_of_n(prompts: Sequence[Ranked]) -> Slopes:
    """Slopes over n."""
    return _slopes(prompts, lambda u, n: u**n * _log(u))


def best_of_poisson(prompts: Sequence[Ranked]) -> Slopes:
    """Slopes over μ."""
    return _slopes(prompts, lambda u, mu: u * (u - 1.0) * np.exp(mu * (u - 1.0)))


def soft_best_of_n(prompts: Sequence[Ranked], n: int, seed: int = SEED) -> Slopes:
    """Slopes over b = 1/λ, at the n candidates that requests will have; answers are dealt into groups of n."""
    chance = np.random.default_rng(seed)
    dealt = [_dealt(prompt, n, chance) for prompt in prompts]
    alike = [
        (places, np.stack([dealt[at][0] for at in places]), np.stack([dealt[at][1] for at in places]))
        for places in _alike([len(proxy) for proxy, _ in dealt])
    ]

    def slopes(b: float) -> Floats:
        found = np.empty(len(dealt))
        for places, proxy, gold in alike:
            found[places] = _tilted(proxy, gold, b)
        return found

    return slopes


def peak(slopes: Slopes, low: float, high: float) -> Peak:
    """Where the mean slope turns from + to −, between two strengths above 0; by bisection on a logarithmic scale."""
    grid = np.geomspace(low, high, GRID)
    matrix = np.array([slopes(float(strength)) for strength in grid]).T
    chance = np.random.default_rng(SEED)
    drawn = chance.integers(0, len(matrix), (RESAMPLES, len(matrix)))
    found = np.array([_turn(matrix[rows].mean(axis=0), grid) for rows in drawn])
    ends = np.quantile(np.where(np.isnan(found), high, found), [0.025, 0.975])
    value = _bisected(slopes, matrix.mean(axis=0), grid)
    return Peak(value, float(ends[0]), float(ends[1]), float(np.isnan(found).mean()))


def _bisected(slopes: Slopes, on_grid: Floats, grid: Floats) -> float | None:
    at = _highest(on_grid, grid)
    if at in (0, len(grid) - 1):
        return None if at else float(grid[0])
    low, high = np.log(grid[at - 1]), np.log(grid[at + 1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if slopes(float(np.exp(middle))).mean() > 0 else (low, middle)
    return float(np.exp((low + high) / 2.0))


def _turn(on_grid: Floats, grid: Floats) -> float:
    at = _highest(on_grid, grid)
    return float("nan") if at == len(grid) - 1 else float(grid[at])


def _highest(on_grid: Floats, grid: Floats) -> int:
    """Where the slopes have added up to most: noise makes more turns than the one that counts."""
    rises = (on_grid[1:] + on_grid[:-1]) / 2.0 * np.diff(grid)
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(rises)])))


def _slopes(prompts: Sequence[Ranked], rises: Callable[[Floats, float], Floats]) -> Slopes:
    """`rises` is ∂F/∂s, by quantile and strength: how much of the mass below a quantile more brings there."""
    alike = [
        (places, np.stack([prompts[at].gold - prompts[at].gold.mean() for at in places]))
        for places in _alike([len(prompt.gold) for prompt in prompts])
    ]

    def slopes(strength: float) -> Floats:
        found = np.empty(len(prompts))
        for places, gold in alike:
            borders = np.arange(gold.shape[1] + 1) / gold.shape[1]
            found[places] = np.sum(np.diff(rises(borders, strength)) * gold, axis=1)
        return found

    return slopes


def _alike(sizes: Sequence[int]) -> list[list[int]]:
    """The places of those that are equally large: prompts with as many answers are reckoned at once."""
    found: dict[int, list[int]] = {}
    for at, size in enumerate(sizes):
        found.setdefault(size, []).append(at)
    return list(found.values())


def _log(u: Floats) -> Floats:
    return np.log(np.maximum(u, np.finfo(float).tiny))


def _dealt(prompt: Ranked, n: int, chance: np.random.Generator) -> tuple[Floats, Floats]:
    order = chance.permutation(len(prompt.proxy))[: len(prompt.proxy) // n * n].reshape(-1, n)
    return prompt.proxy[order], prompt.gold[order]


def _tilted(proxy: Floats, gold: Floats, b: float) -> Floats:
    """Of each prompt, from its groups of n answers."""
    weights = np.exp(b * (proxy - proxy.max(axis=2, keepdims=True)))
    weights /= weights.sum(axis=2, keepdims=True)
    mean = (weights * proxy).sum(axis=2, keepdims=True)
    slopes: Floats = (weights * (proxy - mean) * gold).sum(axis=2).mean(axis=1)
    return slopes
