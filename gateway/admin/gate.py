"""The root of the operator's surface: who has no key has no body read, and a body is bounded before it is parsed."""

import logging
from typing import Any

import orjson

from gateway.api.leaving import ClientLeft, read_body
from gateway.api.sender import Sender
from gateway.callers import caller_in
from gateway.errors import ApiError, BadRequest, TooLarge
from gateway.tools import Tools

OPEN = "/metrics"
log = logging.getLogger(__name__)


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
                receive = replayed(await self._read(receive), receive)
            await self._rest(scope, receive, sender)
        except ApiError as error:
            await sender.fail(error)
        except ClientLeft:
            return
        except Exception:
            log.exception("an operator's request crashed", extra={"fields": {"route": scope["method"]}})
            await sender.fail(ApiError("an internal error; the log knows more", code="internal_error"))

    async def _read(self, receive: Any) -> bytes:
        most = self._tools.settings.limits.max_admin_body_bytes
        body = await read_body(receive, most)
        if body is None:
            raise TooLarge(f"the body may have at most {most} bytes")
        try:
            if body:
                orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"the body is not JSON: {error.msg} at byte {error.pos}") from None
        return body


def replayed(body: bytes, receive: Any) -> Any:
    """ASGI's `receive`, with the body that was read as its first message."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return left.pop() if left else await receive()

    return again
