"""One response on its way out: whole as JSON, or as a stream of frames; knows how to fail in either."""

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.errors import ApiError, Overloaded, Unauthenticated, Unavailable
from gateway.sse import frame

Headers = Sequence[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")
STREAM: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would gather frames
)


class Sender:
    """ASGI's `send`, which tells whether a response has begun."""

    def __init__(self, send: Any) -> None:
        self._send = send
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
        """The error with its status; inside a stream as a frame, after which no `[DONE]` comes."""
        if self._ended:
            return
        if self.status:
            await self.end(frame(orjson.dumps(error.body())))
        else:
            await self.whole(error.status, error.body(), [*_advice(error), *headers])


def _advice(error: ApiError) -> Headers:
    if isinstance(error, Overloaded | Unavailable):
        return [(b"retry-after", b"1")]
    if isinstance(error, Unauthenticated):
        return [(b"www-authenticate", b"Bearer")]
    return []
