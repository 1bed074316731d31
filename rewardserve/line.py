"""Who waits for the model, and whose turn it is. Pure but for the futures that it looks at.

Lower priorities go first. Within one, tenants take turns, so that a flood waits behind its own; within a tenant,
conversations go in the order in which they came. What belongs to one conversation stands together, since it is read
together. Every eighth batch begins with whoever has waited longest, so that nobody waits for ever.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from time import monotonic
from typing import Generic

from rewardserve.scorer import Beginning, ItemT

BATCHES_UNTIL_THE_OLDEST = 8


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request says of itself."""

    tenant: str = ""
    priority: int = 0  # lower goes first
    deadline: float = math.inf  # on the clock of time.monotonic


@dataclass(frozen=True, slots=True)
class Waiting(Generic[ItemT]):
    """One item, and the future on which its caller waits, beside those of the caller's other items."""

    item: ItemT
    future: asyncio.Future[float]
    siblings: Sequence[asyncio.Future[float]] = ()
    terms: Terms = Terms()
    since: float = field(default_factory=monotonic)

    @property
    def conversation(self) -> Hashable:
        """Equal for items that begin alike; an item that knows of no conversation has its own."""
        return self.item.conversation if isinstance(self.item, Beginning) else self

    @property
    def shared(self) -> int:
        """How many of its tokens cost nothing once another item of its conversation is there."""
        return self.item.shared if isinstance(self.item, Beginning) else 0

    def __hash__(self) -> int:
        return id(self)


@dataclass(slots=True)
class Group(Generic[ItemT]):
    """A tenant's items of one conversation and priority, the oldest first."""

    terms: Terms
    conversation: Hashable
    waiting: deque[Waiting[ItemT]] = field(default_factory=deque)


Tenants = OrderedDict[str, OrderedDict[Hashable, Group[ItemT]]]


class Line(Generic[ItemT]):
    """Everybody who waits."""

    def __init__(self) -> None:
        self._priorities: dict[int, Tenants[ItemT]] = {}
        self._waiting = 0
        self._batches = 0

    def __len__(self) -> int:
        return self._waiting

    def __iter__(self) -> Iterator[Waiting[ItemT]]:
        return chain.from_iterable(group.waiting for group in self._groups())

    def put(self, waiting: Waiting[ItemT]) -> None:
        """Wait behind one's own."""
        tenants = self._priorities.setdefault(waiting.terms.priority, OrderedDict())
        groups = tenants.setdefault(waiting.terms.tenant, OrderedDict())
        conversation = waiting.conversation
        if conversation not in groups:
            groups[conversation] = Group(waiting.terms, conversation)
        groups[conversation].waiting.append(waiting)
        self._waiting += 1

    def in_turn(self) -> Iterator[Group[ItemT]]:
        """The groups as the next batch should take them; one may come twice, or be empty when it comes."""
        self._batches += 1
        groups = list(self._groups())
        if groups and self._batches % BATCHES_UNTIL_THE_OLDEST == 0:
            yield min(groups, key=lambda group: group.waiting[0].since)
        yield from groups

    def pop(self, group: Group[ItemT]) -> Waiting[ItemT]:
        """Take the oldest out of a group."""
        self._waiting -= 1
        waiting = group.waiting.popleft()
        if not group.waiting:
            self._remove(group)
        return waiting

    def served(self, group: Group[ItemT]) -> None:
        """Its tenant has had a turn, and so has it: both stand behind the others now."""
        tenants = self._priorities.get(group.terms.priority, OrderedDict())
        if group.terms.tenant in tenants:
            tenants.move_to_end(group.terms.tenant)
            if group.waiting:
                tenants[group.terms.tenant].move_to_end(group.conversation)

    def forget_the_gone(self) -> None:
        """Let those leave who no longer wait for an answer."""
        staying = [waiting for waiting in self if not waiting.future.done()]
        self.clear()
        for waiting in staying:
            self.put(waiting)

    def clear(self) -> None:
        """Let everybody leave."""
        self._priorities.clear()
        self._waiting = 0

    def _groups(self) -> Iterator[Group[ItemT]]:
        for priority in sorted(self._priorities):
            rounds = zip_longest(*(groups.values() for groups in self._priorities[priority].values()))
            yield from (group for each in rounds for group in each if group is not None)

    def _remove(self, group: Group[ItemT]) -> None:
        tenants = self._priorities[group.terms.priority]
        del tenants[group.terms.tenant][group.conversation]
        if not tenants[group.terms.tenant]:
            del tenants[group.terms.tenant]
        if not tenants:
            del self._priorities[group.terms.priority]
