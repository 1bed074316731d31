"""As good as the best of n on average, with fewer samples: stop once a candidate is good enough.

Candidates come in waves. Whether one more is worth its price is Pandora's problem: with a known distribution of
rewards the best rule is a threshold, and stops at the first reward above it. The distribution is learnt from the
rewards of this request, and from what earlier requests of the same route and version had.

Source: Weitzman 1979; for language models arXiv 2510.01394. The threshold is chosen so that the mean equals that of
best of n, and the spread is taken a little too large while few rewards are known, so that stopping is not too early.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import Gathers
from gateway.strategies.normal import threshold_for

OFTEN = 4  # up to so many times n may be drawn for one request, where the bounds allow
BELIEF = 12.0  # rewards of this request that weigh as much as the route's spread
DOUBT = 0.35  # of a standard error of the mean, added to the threshold


@dataclass(frozen=True, slots=True)
class Prior:
    """What earlier requests of a route had: where their rewards lie, and how far those of one prompt spread."""

    mean: float
    between: float  # the standard deviation of prompts' means
    within: float  # the standard deviation of rewards of one prompt


class Adaptive(BestOfN):
    """Ranks what was gathered as best of n does; how much is gathered is decided by `enough`."""

    gathers: Gathers = "waves"


def threshold(rewards: Sequence[float], n: int, prior: Prior | None) -> float:
    """The reward that is good enough, in the unit of rewards; infinite while nothing is known of their spread."""
    count = len(rewards)
    if count < 2:
        return math.inf
    mean = sum(rewards) / count
    squares = sum((reward - mean) ** 2 for reward in rewards)
    if prior is None:
        spread, centre, error = math.sqrt(squares / (count - 1)), mean, math.sqrt(1 / count)
    else:
        spread = math.sqrt((BELIEF * prior.within**2 + squares) / (BELIEF + count - 1))
        if spread == 0:
            return mean
        own, others = count / spread**2, 1 / max(prior.between, 1e-9) ** 2
        centre = (own * mean + others * prior.mean) / (own + others)
        error = math.sqrt(1 / (own + others)) / spread
    return centre + spread * (threshold_for(n) + DOUBT * error)


def enough(rewards: Sequence[float], n: int, prior: Prior | None) -> bool:
    """Whether the best reward so far is good enough for the best of n."""
    return bool(rewards) and max(rewards) >= threshold(rewards, n, prior)


def most(n: int, bound: int) -> int:
    """How many may be drawn at most: rare prompts are given more than n, so that most can do with less."""
    return max(1, min(OFTEN * n, bound)) if n > 1 else 1


def wave(drawn: int, limit: int, size: int) -> int:
    """How many to draw next: what is known of a spread by two rewards is little, so the first wave is larger."""
    first = max(2, min(2 * size, limit)) if not drawn else size
    return min(first, limit - drawn)
