"""What a member of an ensemble usually gives: its mean and deviation on each route, so that members can be compared.

A route's first candidates cannot tell yet, so a member's stated mean and deviation count as if they were so many
candidates more. Only the routes used last are kept.
"""

import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardserve.errors import ModelUnusable

LEAST_SD = 1e-6
FORM = "trimtab.reward-references.1"


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sum of squared distances from the mean, of rewards (Welford 1962)."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def stated(cls, mean: float, sd: float, count: float) -> "Moments":
        """Moments known from elsewhere, worth `count` rewards."""
        return cls(count, mean, sd * sd * count)

    def with_(self, values: Sequence[float]) -> "Moments":
        """The moments after some more rewards."""
        found = self
        for value in values:
            count = found.count + 1
            mean = found.mean + (value - found.mean) / count
            found = Moments(count, mean, found.squares + (value - found.mean) * (value - mean))
        return found

    @property
    def sd(self) -> float:
        """The standard deviation; 1 where nothing is known."""
        return math.sqrt(self.squares / self.count) if self.count else 1.0

    def z(self, value: float) -> float:
        """How many deviations above the mean."""
        return (value - self.mean) / max(self.sd, LEAST_SD)


class RouteMoments:
    """The running moments of each member on each route, of the `routes` used last."""

    def __init__(self, priors: Mapping[str, Moments], routes: int) -> None:
        self._priors = priors
        self._routes = routes
        self._kept: OrderedDict[str, dict[str, Moments]] = OrderedDict()

    def of(self, member: str, route: str) -> Moments:
        """As far as they are known."""
        return self._kept.get(route, {}).get(member) or self._priors[member]

    def learn(self, member: str, route: str, values: Sequence[float]) -> None:
        """Take some rewards into account; the route unused for longest goes when there are too many."""
        own = self._kept.setdefault(route, {})
        own[member] = self.of(member, route).with_(values)
        self._kept.move_to_end(route)
        while len(self._kept) > self._routes:
            self._kept.popitem(last=False)

    @property
    def kept(self) -> Mapping[str, Mapping[str, Moments]]:
        """By route, and by member."""
        return self._kept


class FrozenMoments:
    """References that never change: a route that they do not name has those of the route "" ."""

    def __init__(self, told: Mapping[str, Mapping[str, Moments]]) -> None:
        self._told = told

    def of(self, member: str, route: str) -> Moments:
        """The reference."""
        return self._told.get(route, self._told[""])[member]

    def learn(self, member: str, route: str, values: Sequence[float]) -> None:
        """Nothing is learnt."""


def references_json(kept: Mapping[str, Mapping[str, Moments]]) -> bytes:
    """References as the document that `frozen` reads."""
    routes = {
        route: {name: {"count": one.count, "mean": one.mean, "sd": one.sd} for name, one in members.items()}
        for route, members in kept.items()
    }
    return json.dumps({"form": FORM, "routes": routes}, indent=1).encode() + b"\n"


def frozen(path: Path, members: Sequence[str]) -> FrozenMoments:
    """References from a file; raises ModelUnusable where they lack a member or the route ""."""
    try:
        document: Any = json.loads(path.read_text("utf-8"))
        if document["form"] != FORM:
            raise ModelUnusable(f"{path} is no document of the form {FORM}")
        told = {
            route: {
                name: Moments.stated(float(one["mean"]), float(one["sd"]), float(one["count"]))
                for name, one in own.items()
            }
            for route, own in document["routes"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnusable(f"references {path} cannot be used: {type(error).__name__}: {error}") from error
    for route in {"", *told}:
        if missing := sorted(set(members) - set(told.get(route, {}))):
            raise ModelUnusable(f"references {path}: route {route!r} says nothing of {', '.join(missing)}")
    return FrozenMoments(told)
