"""What is known of the best of n draws from a normal distribution. Pure."""

from functools import lru_cache
from statistics import NormalDist

STANDARD = NormalDist()
STEPS = 4096  # of the integral; enough for four digits up to n = 1000
DEEPEST = 6.0  # standard deviations above the mean beyond which no threshold is worth looking for


@lru_cache(maxsize=1024)
def expected_best(n: int) -> float:
    """The expected largest of n draws, in standard deviations above the mean: 0 for one, 1.77 for sixteen."""
    middles = ((step + 0.5) / STEPS for step in range(STEPS))
    return sum(STANDARD.inv_cdf(middle ** (1 / n)) for middle in middles) / STEPS


def mean_above(z: float) -> float:
    """The expected draw among those above z."""
    return STANDARD.pdf(z) / max(1e-300, 1.0 - STANDARD.cdf(z))


@lru_cache(maxsize=1024)
def threshold_for(n: int) -> float:
    """Above which the first draw is, on average, as good as the best of n; the draws it takes are fewer than n.

    Drawing until one is above the threshold is optimal for some price of a draw (Weitzman's Pandora rule), so no other
    way of stopping reaches the same mean with fewer.
    """
    wanted, low, high = expected_best(n), -DEEPEST, DEEPEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_above(middle) < wanted else (low, middle)
    return (low + high) / 2
