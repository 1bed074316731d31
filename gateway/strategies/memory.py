"""What earlier requests of a route have shown of its rewards: where they lie, how they spread, what beginnings tell.

Kept in memory, per worker, for as many routes as are in use; it forgets slowly, so that it follows a policy model or a
reward model that has changed. Nothing of any text is kept.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.strategies.adaptive import Route

ROUTES = 256
RECENT = 512  # pairs of a beginning's reward and its end's, for each checkpoint
FORGETS = 0.98  # of what was known, at each request
GROUPS = 256  # requests whose rewards are kept
FEWEST = 8  # of them before they are worth more than nothing
Name = tuple[str, str]  # alias and version


@dataclass(slots=True)
class Moments:
    """Rewards of recent requests, each with several candidates that nobody had chosen among."""

    groups: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=GROUPS))
    _known: Route | None = None

    def learn(self, rewards: Sequence[float]) -> None:
        """One request's rewards, those of draws that would have been made however good they were."""
        if len(rewards) >= 2:
            self.groups.append(tuple(rewards))
            self._known = None

    @property
    def route(self) -> Route | None:
        """What to expect of the next request; None while too little is known."""
        if self._known is None and len(self.groups) >= FEWEST:
            self._known = route_of(self.groups)
        return self._known


def route_of(groups: Sequence[Sequence[float]]) -> Route:
    """All rewards as if they had had one prompt, and how prompts differ (one-way analysis of variance)."""
    means = np.array([np.mean(group) for group in groups])
    within = float(np.mean([np.var(group, ddof=1) for group in groups]))
    error = within * float(np.mean([1 / len(group) for group in groups]))  # of a group's mean, by chance
    between = max(0.0, float(np.var(means, ddof=1)) - error)
    mean = float(means.mean())
    share = between / (between + within) if between + within > 0 else 0.0
    of_prompts = share * between / (between + error) if between else 0.0  # a group's own mean is half chance
    rewards = [
        reward - of_prompts * (centre - mean)
        for group, centre in zip(groups, means, strict=True)
        for reward in group
    ]
    return Route(np.sort(np.array(rewards)), mean, math.sqrt(between), math.sqrt(within))


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
    scoring_seconds: float = 0.0  # that rewards took, lately
    requests: int = 0

    def at(self, share: float) -> Telling:
        """What is known of one checkpoint."""
        return self.telling.setdefault(share, Telling())

    def scored(self, seconds: float) -> None:
        """How long rewards for a request's candidates took."""
        lately = self.scoring_seconds
        self.scoring_seconds = 0.8 * lately + 0.2 * seconds if lately else seconds

    def heard(self, lengths: Sequence[int]) -> None:
        """How long whole answers were."""
        for tokens in lengths:
            self.length = tokens if not self.length else FORGETS * self.length + (1 - FORGETS) * tokens


class RouteMemory:
    """The routes in use, those longest out of use forgotten first."""

    def __init__(self) -> None:
        self._routes: OrderedDict[Name, Known] = OrderedDict()

    def of(self, route: Name) -> Known:
        """What is known of a route, nothing at first."""
        known = self._routes.pop(route, None) or Known()
        self._routes[route] = known
        while len(self._routes) > ROUTES:
            self._routes.popitem(last=False)
        return known

    def forget(self) -> None:
        """As if nothing had been asked yet."""
        self._routes.clear()
