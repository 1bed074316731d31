"""What earlier requests of a route have shown of its rewards: where they lie, how they spread, what beginnings tell.

Kept in memory, per worker, for as many routes as are in use; it forgets slowly, so that it follows a policy model or a
reward model that has changed. Nothing of any text is kept.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.strategies.adaptive import Prior

ROUTES = 256
RECENT = 512  # pairs of a beginning's reward and its end's, for each checkpoint
FORGETS = 0.98  # of what was known, at each request
FEWEST = 8  # requests before a prior is worth more than none
Route = tuple[str, str]  # alias and version


@dataclass(slots=True)
class Moments:
    """Rewards of many requests, each with several candidates, as sums that fade."""

    weight: float = 0.0
    means: float = 0.0
    squares: float = 0.0  # of means
    within: float = 0.0  # summed variances
    seen: int = 0

    def learn(self, rewards: Sequence[float]) -> None:
        """One request's rewards, unselected."""
        if len(rewards) < 2:
            return
        mean = sum(rewards) / len(rewards)
        variance = sum((reward - mean) ** 2 for reward in rewards) / (len(rewards) - 1)
        self.weight = FORGETS * self.weight + 1
        self.means = FORGETS * self.means + mean
        self.squares = FORGETS * self.squares + mean**2 - variance / len(rewards)
        self.within = FORGETS * self.within + variance
        self.seen += 1

    @property
    def prior(self) -> Prior | None:
        """What to expect of the next request; None while too little is known."""
        if self.seen < FEWEST:
            return None
        mean = self.means / self.weight
        between = max(0.0, self.squares / self.weight - mean**2)
        return Prior(mean, math.sqrt(between), math.sqrt(self.within / self.weight))


@dataclass(slots=True)
class Telling:
    """How well rewards of beginnings told of those of the ends, at one checkpoint."""

    pairs: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def learn(self, partial: Mapping[int, float], final: Mapping[int, float]) -> None:
        """One request of which nothing was cut: each candidate's two rewards, against its own siblings' means."""
        both = sorted(partial.keys() & final.keys())
        if len(both) < 2:
            return
        middle = [sum(rewards[index] for index in both) / len(both) for rewards in (partial, final)]
        self.pairs.extend((partial[index] - middle[0], final[index] - middle[1]) for index in both)

    @property
    def correlation(self) -> float | None:
        """Pearson's, within requests, from -1 to 1; None where either does not vary."""
        covariance = sum(first * second for first, second in self.pairs)
        spread = sum(first**2 for first, _ in self.pairs) * sum(second**2 for _, second in self.pairs)
        return covariance / math.sqrt(spread) if spread > 0 else None


@dataclass(slots=True)
class Known:
    """All that is known of one route."""

    moments: Moments = field(default_factory=Moments)
    telling: dict[float, Telling] = field(default_factory=dict)  # by checkpoint, as a share of the length
    length: float = 0.0  # tokens of a whole answer, lately
    requests: int = 0

    def at(self, share: float) -> Telling:
        """What is known of one checkpoint."""
        return self.telling.setdefault(share, Telling())

    def heard(self, lengths: Sequence[int]) -> None:
        """How long whole answers were."""
        for tokens in lengths:
            self.length = tokens if not self.length else FORGETS * self.length + (1 - FORGETS) * tokens


class RouteMemory:
    """The routes in use, those longest out of use forgotten first."""

    def __init__(self) -> None:
        self._routes: OrderedDict[Route, Known] = OrderedDict()

    def of(self, route: Route) -> Known:
        """What is known of a route, nothing at first."""
        known = self._routes.pop(route, None) or Known()
        self._routes[route] = known
        while len(self._routes) > ROUTES:
            self._routes.popitem(last=False)
        return known

    def forget(self) -> None:
        """As if nothing had been asked yet."""
        self._routes.clear()
