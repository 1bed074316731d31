"""Best-of-n whose n is drawn for each request: 1 + Poisson(μ). A strength between the whole numbers.

Source: arXiv 2506.19248. The draw is made when the request is read, since n is what the engine is asked for.
"""

import math

from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import Knobs


class BestOfPoisson(BestOfN):
    """Chooses as best-of-n does; only how many there are to choose among is chance."""


def drawn_n(knobs: Knobs, least: int, most: int) -> int:
    """How many candidates to sample: k + 1 with k ~ Poisson(μ), from `least` to `most`."""
    return max(least, min(most, 1 + poisson(knobs.mu, knobs.chance("poisson"), most)))


def poisson(mu: float, chance: float, most: int) -> int:
    """The smallest k whose cumulative probability reaches the chance, at most `most`; μ at least 0 and below 700."""
    k, mass = 0, math.exp(-mu)
    reached = mass
    while reached < chance and k < most:
        k += 1
        mass *= mu / k
        reached += mass
    return k
