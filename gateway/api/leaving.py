"""A client that goes away: whoever works for it is cancelled, and with that every call made on its behalf.

ClientLeft     nobody waits for the answer any more
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from gateway.clock import Limit, clock_of
from gateway.errors import TooSlow

# An answer that is there sooner needs nobody to watch its client: a watcher is a task of its own.
UNWATCHED_SECONDS = 0.02


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


async def read_body(receive: Any, most_bytes: int, seconds: float) -> bytes | None:
    """The request's body; None when it is larger than allowed. Raises ClientLeft and TooSlow."""
    try:
        with Limit(seconds):
            return await _read(receive, most_bytes)
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {seconds:g} seconds", code="body_timeout") from None


async def _read(receive: Any, most_bytes: int) -> bytes | None:
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        more = message.get("more_body", False)
        if size > most_bytes:
            return None
    return b"".join(pieces)


class ClientStays:
    """Cancels what is done inside as soon as the client leaves, and raises ClientLeft in its place.

    The response must not be completed inside: to ASGI a completed response looks like a client that left.
    """

    __slots__ = ("_left", "_receive", "_tell", "_timer", "_watcher", "_work")

    def __init__(self, receive: Any, tell: Callable[[], object] | None = None) -> None:
        self._receive = receive
        self._tell = tell  # who wants to know before the work is cancelled
        self._left = False
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        work = asyncio.current_task()
        assert work is not None
        self._work = work
        self._timer = clock_of(work.get_loop()).after(UNWATCHED_SECONDS, self._begin)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        # Where somebody else cancels as well, that is not to be silenced.
        if self._left and not self._work.uncancel():
            raise ClientLeft from None

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        with suppress(Exception):  # of a client of which nothing can be heard any more it is the same
            while (await self._receive())["type"] != "http.disconnect":
                pass
        self._left = True
        if self._tell is not None:
            self._tell()
        self._work.cancel()
