"""What a failed call says of its replica, and whether another replica may be asked instead. Pure.

Only before the first byte: a client that has been sent a part of one answer cannot be sent another.

- Unreachable, or gone before or while it answered a plain request: asked elsewhere, each replica once. A completion
  changes nothing in an engine, so that asking again is safe; nothing of a plain answer reaches a client before all of
  it has come, so that one cut off after its headers is asked again too, at the price of the GPU time that was lost.
- 502 and 504: a proxy says the same of the engine behind it.
- 429 and 503, too busy or not ready: one other replica is asked and no more, since retries feed an overload.
- A stream that does not begin in time: asked elsewhere. A plain answer that does not come in time has had the request's
  own time, and nothing is left of it.
- 404 that names the model: asked elsewhere, since another replica may serve what this one does not.
- Everything else is about the request and would go the same way elsewhere.

However many replicas are asked, the request's deadline holds for all of them together: it cancels the call.
"""

from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable

R = TypeVar("R")
TURNED_AWAY = frozenset({429, 503})
NOT_SERVED = frozenset({502, 503, 504})


def served(error: EngineFailed) -> bool | None:
    """Whether the replica is well all the same; None when the failure does not tell, as a 500 about one request.

    A busy replica is well, and so is one that refuses a request for what it asks.
    """
    if isinstance(error, EngineUnavailable | EngineTimedOut):
        return False
    if isinstance(error, EngineRefused):
        return None if error.status == 500 else error.status not in NOT_SERVED
    return None


class Tries(Generic[R]):
    """The replicas that one request may ask, in turn; iterating gives the next."""

    __slots__ = ("_asked", "_mended", "_order", "_streamed", "_turned_away")

    def __init__(self, order: Sequence[R], *, streamed: bool = False) -> None:
        self._order = order
        self._asked = 0  # of them
        self._streamed = streamed
        self._turned_away = False
        self._mended = 0  # how many had been asked when one was mended last

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R:
        if self._asked == len(self._order):
            raise StopIteration
        self._asked += 1
        return self._order[self._asked - 1]

    def once_more(self) -> bool:
        """Ask the latest again, since what made it refuse was mended; False when that was done before."""
        if self._mended == self._asked:
            return False
        self._mended = self._asked
        self._asked -= 1
        return True

    def elsewhere(self, error: EngineFailed) -> bool:
        """Whether the next replica is to be asked after this failure, of which no byte has gone out."""
        if self._asked == len(self._order):
            return False
        if isinstance(error, EngineRefused) and error.status in TURNED_AWAY:
            first, self._turned_away = not self._turned_away, True
            return first
        if isinstance(error, EngineRefused) and error.no_such_model:
            return True
        if isinstance(error, EngineTimedOut):
            return self._streamed
        return served(error) is False
