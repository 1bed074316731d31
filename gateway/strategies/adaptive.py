"""As good as the best of n on average, with fewer samples: stop once a candidate is good enough.

Candidates come in waves. Whether one more is worth its price is Pandora's problem: where the distribution of rewards
is known, the best rule is a threshold, and the first reward above it ends the search. The distribution is that of the
rewards that earlier requests of the same route had, moved to where those of this prompt lie as far as prompts differ at
all; the price of a draw is the one at which the mean is that of the best of n. The longer nothing better comes, the
less is still expected.

Source: Weitzman 1979; for language models arXiv 2510.01394, whose normal distribution rewards seldom have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import Gathers
from gateway.strategies.normal import threshold_for

Rewards = NDArray[np.float64]

OFTEN = 4  # up to so many times n may be drawn for one request, where the bounds allow
FAITH = 24.0  # draws of this request that weigh as much as what the route promises
USUALLY = 0.25  # of n: after so many draws the route is believed as far as the price is meant for


@dataclass(frozen=True, slots=True)
class Route:
    """What earlier requests of a route had: rewards as if all had had the same prompt, and how prompts differ."""

    rewards: Rewards  # ascending
    mean: float
    between: float  # the standard deviation of prompts' means
    within: float  # the standard deviation of rewards of one prompt

    @property
    def matter_of_prompts(self) -> float:
        """How much of where a reward lies is its prompt's doing, 0 to 1 (the intraclass correlation)."""
        both = self.between**2 + self.within**2
        return self.between**2 / both if both > 0 else 0.0


class Adaptive(BestOfN):
    """Ranks what was gathered as best of n does; how much is gathered is decided by `enough`."""

    gathers: Gathers = "waves"


def enough(rewards: Sequence[float], n: int, route: Route | None) -> bool:
    """Whether the best reward so far is good enough for the best of n.

    Without anything known of the route, rewards are taken to be normal, as this request's own first ones are.
    """
    if len(rewards) < 2:
        return False
    if route is None:
        own = np.asarray(rewards)
        return bool(own.max() >= own.mean() + own.std(ddof=1) * threshold_for(n))
    best = max(rewards) - moved(rewards, route)
    return faith(len(rewards)) * gain(route.rewards, best) <= faith(USUALLY * n) * price(route.rewards, n)


def faith(draws: float) -> float:
    """How much of what the route promises is still expected after so many draws of this request, 0 to 1."""
    return FAITH / (FAITH + draws)


def moved(rewards: Sequence[float], route: Route) -> float:
    """How far this prompt's rewards lie from the route's, as far as that can be told from so few."""
    if route.within == 0 or route.between == 0:
        return 0.0
    own, others = len(rewards) / route.within**2, 1 / route.between**2
    centre = (own * sum(rewards) / len(rewards) + others * route.mean) / (own + others)
    return route.matter_of_prompts * (centre - route.mean)


def gain(rewards: Rewards, best: float) -> float:
    """What one more draw is expected to add to the best so far."""
    above = rewards[np.searchsorted(rewards, best, side="right") :]
    return float((above - best).sum() / len(rewards))


def price(rewards: Rewards, n: int) -> float:
    """The price of a draw at which stopping above a threshold is, in the mean, as good as the best of n."""
    wanted = best_of(rewards, n)
    above = np.cumsum(rewards[::-1])[::-1] / np.arange(
        len(rewards), 0, -1
    )  # the mean of each and all above it
    place = min(int(np.searchsorted(above, wanted)), len(rewards) - 1)
    return gain(rewards, float(rewards[place]))


def best_of(rewards: Rewards, n: int) -> float:
    """The mean of the best of n, drawn from these with replacement."""
    ranks = np.arange(1, len(rewards) + 1) / len(rewards)
    shares = ranks**n - (ranks - 1 / len(rewards)) ** n
    return float(shares @ rewards)


def most(n: int, bound: int) -> int:
    """How many may be drawn at most: rare prompts are given more than n, so that most can do with less."""
    return max(1, min(OFTEN * n, bound)) if n > 1 else 1


def wave(drawn: int, limit: int, size: int) -> int:
    """How many to draw next: what is known of a spread by two rewards is little, so the first wave is larger."""
    first = max(2, min(2 * size, limit // (2 * OFTEN))) if not drawn else size
    return min(first, limit - drawn)
