"""Refuses a body that is too large before it is read whole."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rewardserve.errors import TooLarge


class BodyLimit:
    """ASGI middleware: 413 in OpenAI's shape, by Content-Length where there is one, else by counting."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if self._declared(scope) > self._max_bytes:
            return await self._refuse()(scope, receive, send)
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise self._error()
            return message

        return await self._app(scope, counted, send)

    @staticmethod
    def _declared(scope: Scope) -> int:
        length = dict(scope["headers"]).get(b"content-length", b"")
        return int(length) if length.isdigit() else 0

    def _error(self) -> TooLarge:
        return TooLarge(f"the body is over {self._max_bytes} bytes; send fewer conversations at once")

    def _refuse(self) -> JSONResponse:
        return JSONResponse(self._error().body(), TooLarge.status, {"connection": "close"})
