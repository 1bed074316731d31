"""One response on its way out: whole as JSON, or as a stream of frames; knows how to fail in either."""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson

from gateway.api.surface import Frames
from gateway.errors import ApiError, Overloaded, TooSlow, Unauthenticated, Unavailable

Headers = Sequence[tuple[bytes, bytes]]
FAREWELL_SECONDS = 1.0  # for a client to make room for the last frame
JSON = (b"content-type", b"application/json")
STREAM: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would gather frames
)


class Sender:
    """ASGI's `send`, which tells whether a response has begun; `shape` is how errors look here."""

    def __init__(self, send: Any, shape: Callable[[ApiError], Any] = ApiError.body) -> None:
        self._send = send
        self._shape = shape
        self.frames: Frames | None = None  # of the stream, where there is to be one
        self.status = 0  # of the response; 0 until it has begun
        self._ended = False

    async def __call__(self, message: Any) -> None:
        """Pass a message of another ASGI app on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def whole(self, status: int, body: Any, headers: Headers = ()) -> None:
        """A JSON response."""
        raw = orjson.dumps(body)
        length = (b"content-length", b"%d" % len(raw))
        await self({"type": "http.response.start", "status": status, "headers": [JSON, length, *headers]})
        await self({"type": "http.response.body", "body": raw})

    async def begin_stream(self, headers: Headers) -> None:
        """The head of a stream."""
        await self({"type": "http.response.start", "status": 200, "headers": [*STREAM, *headers]})

    async def piece(self, data: bytes) -> None:
        """More of a stream."""
        await self({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The last of a stream."""
        await self({"type": "http.response.body", "body": data})

    async def fail(self, error: ApiError, headers: Headers = ()) -> None:
        """The error with its status; inside a stream as frames, after which nothing comes."""
        if self._ended:
            return
        if self.status:
            await self.end(self.frames.fail(error) if self.frames else b"")
        else:
            await self.whole(error.status, self._shape(error), [*_advice(error), *_once(error), *headers])

    async def fail_soon(self, error: ApiError) -> None:
        """The same after a crash or at the end: a client that does not read holds up neither for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self.fail(error)


def _once(error: ApiError) -> Headers:
    return [] if error.retry else [(b"x-should-retry", b"false")]


def _advice(error: ApiError) -> Headers:
    if isinstance(error, Overloaded | Unavailable):
        return [(b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds)))]
    if isinstance(error, Unauthenticated):
        return [(b"www-authenticate", b"Bearer")]
    if isinstance(error, TooSlow):
        return [(b"connection", b"close")]  # the rest of the body would be taken for the next request's
    return []
