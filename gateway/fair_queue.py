"""A queue in which keys take turns: who sends a flood waits behind his own, and nobody else does."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """First come, first served within a key; of the keys that wait, each has its turn before any has a second."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def put(self, key: str, one: T) -> None:
        """Wait at the end of the key's line."""
        self._lines.setdefault(key, deque()).append(one)
        self._waiting += 1

    def take(self) -> T:
        """The first of the key whose turn it is; raises LookupError when nobody waits."""
        if not self._lines:
            raise LookupError("nobody waits")
        key, line = next(iter(self._lines.items()))
        self._lines.move_to_end(key)
        one = line[0]
        self.drop(key, one)
        return one

    def drop(self, key: str, one: T) -> None:
        """Let somebody leave, wherever in the line; who has left before is nobody."""
        line = self._lines.get(key)
        if line is None or one not in line:
            return
        line.remove(one)
        self._waiting -= 1
        if not line:
            del self._lines[key]

    def make_way(self, key: str) -> T | None:
        """Take the newest out of the longest line, in favour of a key with a shorter one; None where there is none."""
        longest = max(self._lines, key=lambda name: len(self._lines[name]), default=key)
        if len(self._lines.get(longest, ())) <= len(self._lines.get(key, ())) + 1:
            return None
        newest = self._lines[longest][-1]
        self.drop(longest, newest)
        return newest

    def empty(self) -> Iterator[T]:
        """Take everybody out."""
        while self._waiting:
            yield self.take()
