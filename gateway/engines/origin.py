"""An engine's address, and the connections that are kept to it."""

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from gateway.engines.connection import Connection, ConnectionFailed, TooSlow, Unreachable

# Shorter than the 5 s after which uvicorn, and so vLLM, hangs up on an idle connection.
KEEP_ALIVE_SECONDS = 4.0
# A connection that had been hung up on says so at once; one that breaks off later may have been at work.
STALE_SECONDS = 1.0


class Origins:
    """The origins of all engines, whose connections end together; use it as an async context manager."""

    def __init__(self) -> None:
        self._known: list[Origin] = []

    def at(self, url: str, headers: Mapping[str, str], connect_seconds: float) -> "Origin":
        """A new one."""
        origin = Origin(url, headers, connect_seconds)
        self._known.append(origin)
        return origin

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for origin in self._known:
            origin.close()


class Origin:
    """Where an engine listens; as many connections as there are requests at once, the warmest used first."""

    def __init__(self, url: str, headers: Mapping[str, str], connect_seconds: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._connect_seconds = connect_seconds
        told = {"host": parts.netloc.rpartition("@")[2], "accept-encoding": "identity", **headers}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode("latin-1")
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def asked(self, method: str, path: str, body: bytes, seconds: float) -> "Asked":
        """A connection over which the answer's head has come; hung up on unless the answer is read to its end."""
        return Asked(self, self._request(method, path, body), seconds)

    def close(self) -> None:
        """Hang up on all."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\n".encode()
        return b"%b%bcontent-length: %d\r\n\r\n%b" % (head, self._headers, len(body), body)

    async def answered(self, request: bytes, seconds: float) -> Connection:
        """A connection over which the answer's head has come; raises ConnectionFailed.

        A kept connection on which the other end has hung up, not a byte having come, is no reason to fail.
        """
        clock = asyncio.get_running_loop().time
        while True:
            connection = self._kept() or await self._fresh()
            stale_perhaps = connection.used
            self._busy.add(connection)
            asked_at = clock()
            connection.ask(request)
            try:
                await connection.head(seconds)
            except BaseException as error:
                self._busy.discard(connection)
                unheard = connection.unheard and clock() - asked_at < STALE_SECONDS
                connection.close()
                if isinstance(error, ConnectionFailed) and stale_perhaps and unheard:
                    continue
                raise
            return connection

    def release(self, connection: Connection) -> None:
        """Nobody reads its answer any more: it is kept if it may carry another request."""
        self._busy.discard(connection)
        if connection.free:
            self._keep(connection)
        else:
            connection.close()

    def _kept(self) -> Connection | None:
        """The connection used last that is still good."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.free and now - connection.idle_since < KEEP_ALIVE_SECONDS:
                return connection
            connection.close()
        return None

    async def _fresh(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await loop.create_connection(
                    Connection, self._host, self._port, ssl=self._tls
                )
        except TimeoutError:
            raise TooSlow("no connection within the limit") from None
        except OSError as error:
            raise Unreachable(str(error)) from None
        return connection

    def _keep(self, connection: Connection) -> None:
        """An answer was read: its connection may carry another."""
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(KEEP_ALIVE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Let go of connections that nobody has wanted for a while."""
        loop = asyncio.get_running_loop()
        due = loop.time() - KEEP_ALIVE_SECONDS
        for connection in [each for each in self._idle if each.idle_since <= due or not each.open]:
            self._idle.remove(connection)
            connection.close()
        self._sweeping = loop.call_later(KEEP_ALIVE_SECONDS, self._sweep) if self._idle else None


class Asked:
    """One request's time with a connection."""

    __slots__ = ("_connection", "_origin", "_request", "_seconds")

    def __init__(self, origin: Origin, request: bytes, seconds: float) -> None:
        self._origin = origin
        self._request = request
        self._seconds = seconds

    async def __aenter__(self) -> Connection:
        self._connection = await self._origin.answered(self._request, self._seconds)
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._origin.release(self._connection)
