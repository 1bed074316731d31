"""Which engine is to hold which weights, and what has to be moved for it. Pure.

Each version in an alias's weights needs some full weights: itself, or those that engines start with. Every one that
is needed is held by one engine at least, the others by their shares; who holds something that is needed keeps it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Conflict

Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Move:
    """An engine, and the weights that it is to get."""

    replica: str
    weights: str


def needed(aliases: Mapping[str, Weights], needs: Mapping[str, str]) -> dict[str, float]:
    """Full weights → what all aliases together want of them."""
    found: dict[str, float] = {}
    for weights in aliases.values():
        for version, share in weights.items():
            if share > 0:
                held = needs[version]
                found[held] = found.get(held, 0.0) + share
    return found


def moves(
    held: Mapping[str, str | None], wanted: Mapping[str, float], elsewhere: str | None = None
) -> list[Move]:
    """What must be moved, idle engines first; `elsewhere` is held by engines that are not managed.

    Raises Conflict when there are fewer engines than weights that are needed.
    """
    counts = allotted(len(held), wanted, elsewhere)
    left = dict(counts)
    movable = []
    for replica, weights in held.items():
        if weights is not None and left.get(weights, 0) > 0:
            left[weights] -= 1
        else:
            movable.append(replica)
    movable.sort(key=lambda replica: (held[replica] is not None, held[replica] in wanted))
    missing = [weights for weights, count in left.items() for _ in range(count)]
    missing.sort(key=lambda weights: weights in held.values())  # what nobody holds yet comes first
    return [Move(replica, weights) for replica, weights in zip(movable, missing, strict=False)]


def allotted(engines: int, wanted: Mapping[str, float], elsewhere: str | None = None) -> dict[str, int]:
    """How many engines each of the weights gets: one at least, the rest by the largest remainder."""
    if not engines or not wanted:
        return {}
    least = {weights: 0 if weights == elsewhere else 1 for weights in wanted}
    spare = engines - sum(least.values())
    if spare < 0:
        raise Conflict(
            f"{sum(least.values())} versions of full weights need as many engines, and there are {engines}",
            param="weights",
            code="too_few_engines",
        )
    whole = sum(wanted.values())
    ideal = {weights: max(0.0, engines * share / whole - least[weights]) for weights, share in wanted.items()}
    total = sum(ideal.values()) or 1.0
    exact = {weights: spare * each / total for weights, each in ideal.items()}
    given = {weights: math.floor(each) for weights, each in exact.items()}
    for weights in sorted(exact, key=lambda each: given[each] - exact[each]):
        if sum(given.values()) < spare:
            given[weights] += 1
    return {weights: least[weights] + given[weights] for weights in wanted}


def between(began: Weights, wanted: Weights, done: float) -> dict[str, float]:
    """An alias's weights on the way, `done` being 0 to 1."""
    names = [*began, *(name for name in wanted if name not in began)]
    mixed = {name: (1 - done) * began.get(name, 0.0) + done * wanted.get(name, 0.0) for name in names}
    return {name: share for name, share in mixed.items() if share > 0}
