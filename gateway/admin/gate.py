"""The root of the operator's surface: who has no key has no body read, and a body is bounded before it is parsed."""

import asyncio
from typing import Any

import orjson

from gateway.api.leaving import ClientLeft, read_body
from gateway.api.sender import JSON, Sender
from gateway.callers import caller_in
from gateway.errors import ApiError, BadRequest, TooLarge
from gateway.failures import ended
from gateway.nesting import DEEPEST, nests_too_deeply
from gateway.tools import Tools

OPEN = "/metrics"


class AdminGate:
    """An ASGI app before FastAPI, which by itself would read and parse whatever anybody sends."""

    def __init__(self, rest: Any, tools: Tools) -> None:
        self._rest = rest
        self._tools = tools

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        sender = Sender(send)
        try:
            if scope["path"] != OPEN:
                scope["caller"] = caller_in(scope["headers"], self._tools.keys)
                body = await self._read(receive)
                receive, scope["headers"] = replayed(body, receive), as_json(scope["headers"])
            await self._rest(scope, receive, sender)
        except ApiError as error:
            await sender.fail(error)
        except ClientLeft:
            return
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told, and what crashed is logged
            await sender.fail_soon(ended(error, "admin"))

    async def _read(self, receive: Any) -> bytes:
        limits = self._tools.settings.limits
        most = limits.max_admin_body_bytes
        body = await read_body(receive, most, limits.body_seconds)
        if body is None:
            raise TooLarge(f"the body may have at most {most} bytes")
        try:
            if body and nests_too_deeply(body, orjson.loads(body)):
                raise BadRequest(f"the body's JSON may nest {DEEPEST} levels deep and no deeper")
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"the body is not JSON: {error.msg} at byte {error.pos}") from None
        return body


def as_json(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a body that was read as JSON, whatever it calls itself: curl calls it a form."""
    return [*((name, value) for name, value in headers if name != b"content-type"), JSON]


def replayed(body: bytes, receive: Any) -> Any:
    """ASGI's `receive`, with the body that was read as its first message."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again
