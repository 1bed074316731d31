"""Which outcomes belong together. Pure; decided by when requests were admitted, never by how they went.

A shadow's outcome belongs to the exchange that it is a copy of. A canary's belongs to the first established one that
was admitted after it, or with it, and belongs to no other yet; both are of the same stretch of time, and of each
conversation the first outcome counts. What comes late is paired late, and nothing is paired again.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from finetune.rollout.outcome import Outcome, Paired

T = TypeVar("T")
MOST_WAITING = 500  # outcomes whose other half has not come; the oldest are given up


@dataclass(frozen=True, slots=True)
class Waiting:
    """Halves of pairs, oldest first."""

    canary: tuple[Outcome, ...] = ()
    stable: Mapping[str, Outcome] | None = None  # by exchange, for shadows that have not answered yet
    shadow: Mapping[str, Outcome] | None = None

    @property
    def numbers(self) -> list[int]:
        """Of the outcomes that wait: what a worker reads again that goes on where another stopped."""
        held = (*self.canary, *(self.stable or {}).values(), *(self.shadow or {}).values())
        return sorted(each.seq for each in held)


def waiting_of(outcomes: Iterable[Outcome]) -> Waiting:
    """The halves of pairs that another worker left."""
    held = sorted(outcomes, key=lambda one: (one.admitted_at, one.seq))
    by_exchange = {
        arm: {one.exchange_id: one for one in held if one.arm == arm} for arm in ("stable", "shadow")
    }
    canary = tuple(one for one in held if one.arm == "canary")
    return Waiting(canary, by_exchange["stable"], by_exchange["shadow"])


def pair(outcomes: Sequence[Outcome], waiting: Waiting) -> tuple[list[Paired], Waiting]:
    """The pairs that these outcomes complete, in the order of admission, and what waits on."""
    canary = deque(waiting.canary)
    stable, shadow = dict(waiting.stable or {}), dict(waiting.shadow or {})
    pairs: list[Paired] = []
    for each in sorted(outcomes, key=lambda one: (one.admitted_at, one.seq)):
        if each.arm == "canary":
            canary.append(each)
        elif each.arm == "shadow":
            partner = stable.pop(each.exchange_id, None)
            if partner is not None:
                pairs.append(Paired(partner, each))
            else:
                shadow[each.exchange_id] = each
        elif each.exchange_id in shadow:
            pairs.append(Paired(each, shadow.pop(each.exchange_id)))
        elif canary and canary[0].admitted_at <= each.admitted_at:
            pairs.append(Paired(each, canary.popleft()))
        else:
            stable[each.exchange_id] = each
    return pairs, Waiting(tuple(latest(canary)), dict(latest(stable.items())), dict(latest(shadow.items())))


def latest(waiting: Iterable[T]) -> list[T]:
    """As many as may wait."""
    return list(waiting)[-MOST_WAITING:]
