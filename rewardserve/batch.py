"""Which of those who wait go together: the decision, without the doing. Pure.

A batch costs the tokens that the model has to read: those of every item, but what a conversation's items have in common
only once. Padding is no matter here, since a batch is run in passes of like length (packing.py).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from rewardserve.line import Group, Line, Waiting
from rewardserve.scorer import ItemT

REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch and the queue may hold."""

    items: int = 64
    padded_tokens: int = 16_384
    waiting: int = 4_096


class Pace:
    """How long batches took of late, and so how long one would take at the least."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)

    def took(self, tokens: int, seconds: float) -> None:
        """Remember one batch."""
        self._recent.append((max(tokens, 1), seconds))

    def forget(self) -> None:
        """Know nothing: after it has kept everybody out, it must not do so for ever."""
        self._recent.clear()

    def __call__(self, tokens: int) -> float:
        """The least seconds for so many tokens; 0 as long as nothing is known.

        More tokens take no less time than fewer, and fewer at least their share. So it errs to the caller's advantage.
        """
        return min((seconds * min(1.0, tokens / read) for read, seconds in self._recent), default=0.0)


@dataclass(slots=True)
class Batch(Generic[ItemT]):
    """Who goes together, and who is dropped since it would be too late."""

    taken: list[Waiting[ItemT]] = field(default_factory=list)
    late: list[Waiting[ItemT]] = field(default_factory=list)
    tokens: int = 0
    _tightest: float = float("inf")

    def holds(
        self, one: Waiting[ItemT], cost: int, limits: BatchLimits, ends: Callable[[int], float]
    ) -> bool:
        """Whether there is room for one more, and everybody's deadline allows it."""
        if not self.taken:
            return True
        fits = len(self.taken) < limits.items and self.tokens + cost <= limits.padded_tokens
        return fits and ends(self.tokens + cost) <= min(self._tightest, one.terms.deadline)

    def take(self, one: Waiting[ItemT], cost: int) -> None:
        """One more."""
        self.taken.append(one)
        self.tokens += cost
        self._tightest = min(self._tightest, one.terms.deadline)


def take_batch(
    line: Line[ItemT], limits: BatchLimits, now: float, pace: Callable[[int], float]
) -> Batch[ItemT]:
    """Take the next batch out of the line; whoever has left, or cannot be served in time, is taken out with it.

    The first in turn always goes, even if it alone is over the limits. `pace` gives the seconds that tokens take.
    """
    batch: Batch[ItemT] = Batch()
    served = []
    for group in line.in_turn():
        before = len(batch.taken)
        fill(batch, group, line, limits, lambda tokens: now + pace(tokens))
        if len(batch.taken) > before:
            served.append(group)
        if len(batch.taken) >= limits.items:
            break
    for group in served:
        line.served(group)
    return batch


def fill(
    batch: Batch[ItemT],
    group: Group[ItemT],
    line: Line[ItemT],
    limits: BatchLimits,
    ends: Callable[[int], float],
) -> None:
    """Take as many of the group as fit, the oldest first."""
    shared = 0
    while group.waiting:
        one = group.waiting[0]
        cost = max(one.item.tokens - min(shared, one.shared), 1)
        if one.future.done():
            line.pop(group)
        elif ends(cost) > one.terms.deadline:
            batch.late.append(line.pop(group))
        elif batch.holds(one, cost, limits, ends):
            batch.take(line.pop(group), cost)
            shared = max(shared, one.shared)
        else:
            return
