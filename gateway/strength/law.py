"""What a best-of-n policy earns at each n, and Gao's law through it: gold(n) − gold(1) = d·(α − β·d), d = √KL(n).

Source of the law: Gao, Schulman and Hilton 2022 (arXiv 2210.10760), for best-of-n. Each prompt's earnings are the exact
means over all ways of drawing n of its answers without putting back; intervals are bootstraps over prompts.
"""  # noqa: RUF002 - its coefficients are called so

from collections.abc import Sequence
from itertools import takewhile
from math import lgamma

import numpy as np

from gateway.strength import kl
from gateway.strength.answers import Floats, Ranked
from gateway.strength.curve import Law, Point
from gateway.strength.hedge import RESAMPLES, SEED

ROUND_N = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def sizes_up_to(largest: int) -> list[int]:
    """The n at which a curve is told."""
    return [*takewhile(lambda n: n < largest, ROUND_N), largest]


def earned(values: Floats, n: int) -> float:
    """The mean of a value over the best of n, of answers ranked by rising proxy reward; exact."""
    count = len(values)
    place = np.arange(n - 1, count)
    logs = np.array([lgamma(i + 1) - lgamma(i - n + 2) for i in place]) + (
        lgamma(count - n + 1) - lgamma(count + 1)
    )
    return float(np.sum(np.exp(logs) * n * values[n - 1 :]))


def points_of(prompts: Sequence[Ranked], largest: int) -> tuple[Point, ...]:
    """The curve, with a 95 % interval of the gold reward at each n."""
    sizes = sizes_up_to(largest)
    gold = np.array([[earned(p.gold, n) for n in sizes] for p in prompts])
    proxy = np.array([[earned(p.proxy, n) for n in sizes] for p in prompts]).mean(axis=0)
    low, high = np.quantile(resampled(gold), [0.025, 0.975], axis=0)
    return tuple(
        Point(n=n, kl=kl.best_of(n), proxy=proxy[i], gold=gold[:, i].mean(), low=low[i], high=high[i])
        for i, n in enumerate(sizes)
    )


def law_of(prompts: Sequence[Ranked], largest: int) -> Law:
    """The law's coefficients by least squares over n."""
    sizes = sizes_up_to(largest)[1:]
    gains = np.array([[earned(p.gold, n) - earned(p.gold, 1) for n in sizes] for p in prompts])
    distance = np.sqrt([kl.best_of(n) for n in sizes])
    alpha, beta = fitted(gains.mean(axis=0), distance)
    betas = [fitted(mean, distance)[1] for mean in resampled(gains)]
    low, high = np.quantile(betas, [0.025, 0.975])
    return Law(alpha=alpha, beta=beta, beta_low=float(low), beta_high=float(high))


def fitted(gain: Floats, distance: Floats) -> tuple[float, float]:
    """α and β of gain = d·(α − β·d)."""  # noqa: RUF002
    slope, start = np.polyfit(distance, gain / distance, 1)
    return float(start), float(-slope)


def resampled(values: Floats) -> Floats:
    """Column means over prompts that were drawn with putting back, a row for each resample."""
    drawn = np.random.default_rng(SEED).integers(0, len(values), (RESAMPLES, len(values)))
    return np.array([values[rows].mean(axis=0) for rows in drawn])


def peak_of(law: Law) -> float | None:
    """The n at which the law peaks; None where it does not."""
    if law.beta <= 0 or law.alpha <= 0:
        return None
    return kl.n_of_kl((law.alpha / (2.0 * law.beta)) ** 2)
