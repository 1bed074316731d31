"""HTTP/1.1 to an engine over one kept connection: asyncio and httptools, and no more of HTTP than an engine needs.

A general client takes five times as long for a request (docs/performance.md). This one has no redirects, cookies,
proxies or compression; it has keep-alive, TLS, backpressure and a limit on every wait.

    ConnectionFailed         no answer can be had over this connection
    ├── Unreachable          nobody accepts connections there
    ├── BrokenOff            it ended, or turned to garbage, before the answer was whole
    └── TooSlow              a limit on connecting, on the answer's beginning or between two pieces was reached
"""

import asyncio
from collections import deque
from functools import partial
from typing import cast

import httptools

from gateway.clock import clock_of

HIGH_WATER = 256 * 1024  # bytes of an answer that wait for whoever reads it
KEPT_HEADERS = frozenset({b"content-type", b"retry-after"})


class ConnectionFailed(Exception):
    """No answer can be had over this connection."""


class Unreachable(ConnectionFailed):
    """Nobody accepts connections there."""


class BrokenOff(ConnectionFailed):
    """The connection ended, or turned to garbage, before the answer was whole."""


class TooSlow(ConnectionFailed):
    """A limit on connecting, on the answer's beginning or between two pieces was reached."""


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._reset()
        self.open = False
        self._asked = False
        self.used = False  # whether an answer was ever had over it: one that was, may have gone stale
        self.idle_since = 0.0

    def _reset(self) -> None:
        self.status = 0  # of the answer; 0 until its head is there
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._paused = False
        self._heard = False
        self._framed = False
        self._error: ConnectionFailed | None = None
        self._waiter: asyncio.Future[None] | None = None

    def ask(self, request: bytes) -> None:
        """Send a whole request; the answer is had by `head` and `piece`."""
        self._reset()
        self._asked = True
        self._transport.write(request)

    @property
    def free(self) -> bool:
        """Whether it may carry another request: one whose answer nobody has read may have stopped reading."""
        return self.open and self.complete and not self._pieces

    @property
    def unheard(self) -> bool:
        """Whether not a byte of an answer has come."""
        return not self._heard

    async def head(self, seconds: float) -> None:
        """Wait for the answer's status and headers, so long for all of them; raises BrokenOff and TooSlow."""
        if self.status:
            return
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while not self.status:
            await self._more(deadline - clock())

    async def piece(self, seconds: float) -> bytes | None:
        """What has come of the body since the last one; None at its end. Raises BrokenOff and TooSlow."""
        while not self._pieces:
            if self.complete:
                return None
            await self._more(seconds)
        said = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._waiting_bytes = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return said

    def close(self) -> None:
        """Hang up, at once: whoever works at the other end learns that nobody waits."""
        self.open = False
        self._transport.abort()

    async def _more(self, seconds: float) -> None:
        if self._error is not None:
            raise self._error
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        limit = clock_of(loop).after(seconds, partial(self._late, waiter))
        try:
            await waiter
        finally:
            limit.cancel()
            self._waiter = None

    def _late(self, waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            waiter.set_exception(TooSlow("no word within the limit"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: ConnectionFailed) -> None:
        self._error = self._error or error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._error)

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Bytes came, whatever they are; those that nobody asked for can belong to no request to come."""
        if not self._asked or self.complete:
            self.close()
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not self.complete:  # garbage after a whole answer spoils the connection, and not the answer
                self._fail(BrokenOff("what came is no HTTP"))
            self.close()
        self._wake()

    def eof_received(self) -> bool:
        """The other end has said all; a body without a length ends like this."""
        if self.status and not self._framed and not self.complete:
            self.complete = True
            self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; whoever waits for more waits in vain."""
        self.open = False
        if not self.complete:
            self._fail(BrokenOff("the connection ended"))

    # What httptools tells.

    def on_message_begin(self) -> None:
        """An answer begins; after a whole one there can be no other that anybody asked for."""
        if self.complete:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the answer."""
        name = name.lower()
        if name in KEPT_HEADERS:
            self.headers[name] = value
        elif name in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        """The head is there; an interim one counts nothing."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status

    def on_body(self, body: bytes) -> None:
        """More of the body; beyond the high water mark the other end has to wait."""
        self._pieces.append(body)
        self._waiting_bytes += len(body)
        if self._waiting_bytes > HIGH_WATER and not self._paused and not self.complete:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole; the connection is kept, if the other end keeps it."""
        if self._parser.get_status_code() < 200:
            return
        self.complete = self.used = True
        if self._parser.should_keep_alive():
            self._parser = httptools.HttpResponseParser(self)
        else:
            self.open = False
            self._transport.close()
