"""POST /v1/chat/completions as plain ASGI: on the hot route a framework costs more than the work."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from gateway.api.leaving import read_body, while_client_stays
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.ask import Ask, Bounds, read_ask
from gateway.callers import MAY_CHAT, Caller
from gateway.errors import ApiError, BadRequest, Forbidden, Overloaded, TooLarge
from gateway.pipeline import answer
from gateway.reply import headers_of
from gateway.screens import Screener
from gateway.settings import GatewaySettings
from gateway.sse import LAST_FRAME, frame
from gateway.stream import stream
from gateway.tools import Tools
from gateway.trip import Trip

CONVERSATION = b"x-trimtab-conversation"


class Chat:
    """Reads a request, lets the pipeline answer it, and writes what came of it."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._running = 0

    async def __call__(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        """Answer one request; raises ApiError and ClientLeft."""
        if self._running >= self._tools.settings.limits.concurrent_requests:
            raise Overloaded("as many requests as allowed are being answered", code="too_many_requests")
        self._running += 1
        self._tools.metrics.concurrent.set(self._running)
        try:
            await self._answer(scope, receive, sender, served)
        finally:
            self._running -= 1
            self._tools.metrics.concurrent.set(self._running)

    async def _answer(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        caller: Caller = scope["caller"]
        if caller.role not in MAY_CHAT:
            raise Forbidden(f"a key with the role {caller.role} may look, not ask")
        screen = self._tools.screens.current
        ask = await self._read(scope, receive, caller, screen)
        trip = served.trip = Trip.begin(ask, screen)
        try:
            if ask.stream:
                await self._stream(trip, receive, sender)
            else:
                async with while_client_stays(receive):
                    body = await answer(trip, self._tools)
                await sender.whole(200, body, headers_of(trip))
        except ApiError as error:
            served.error = error
            await sender.fail(error, headers_of(trip))

    async def _read(self, scope: Any, receive: Any, caller: Caller, screen: Screener) -> Ask:
        settings = self._tools.settings
        raw = await read_body(receive, settings.limits.max_body_bytes)
        if raw is None:
            raise TooLarge(f"the body may have at most {settings.limits.max_body_bytes} bytes")
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"the body is not JSON: {error.msg} at byte {error.pos}") from None
        return read_ask(body, caller, conversation_of(scope), bounds_of(screen, settings), settings)

    async def _stream(self, trip: Trip, receive: Any, sender: Sender) -> None:
        async with while_client_stays(receive), aclosing(stream(trip, self._tools)) as chunks:
            await self._send_all(trip, chunks, sender)
        await sender.end(LAST_FRAME)

    async def _send_all(self, trip: Trip, chunks: AsyncGenerator[Any, None], sender: Sender) -> None:
        async for chunk in chunks:
            if not sender.status:
                self._tools.metrics.stage_seconds.labels("overhead").observe(trip.overhead_seconds)
                self._tools.metrics.first_byte_seconds.observe(time.perf_counter() - trip.started)
                await sender.begin_stream(headers_of(trip))
            await sender.piece(frame(orjson.dumps(chunk)))


def conversation_of(scope: Any) -> str | None:
    """The conversation that the client names, if it names one."""
    for name, value in scope["headers"]:
        if name == CONVERSATION:
            return str(value, "latin-1")
    return None


def bounds_of(screen: Screener, settings: GatewaySettings) -> Bounds:
    """The guard policy's bounds, within the gateway's own limits."""
    own = screen.policy.bounds
    return Bounds(min(own.max_n, settings.limits.max_n), own.max_deadline_ms / 1000)
