"""A conversation's requests, whatever their surface, as plain ASGI: here a framework costs more than the work."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Generic, TypeVar

import orjson

from gateway.admission import Inside
from gateway.api.leaving import ClientStays, read_body
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.api.surface import Frames, Surface
from gateway.ask import Ask, read_ask
from gateway.callers import MAY_CHAT, Caller
from gateway.errors import ApiError, BadRequest, Forbidden, TooLarge
from gateway.nesting import DEEPEST, nests_too_deeply
from gateway.pipeline import answer
from gateway.reply import headers_of
from gateway.screens import Screener
from gateway.selection import Bounds
from gateway.settings import GatewaySettings
from gateway.stream import stream
from gateway.tools import Tools
from gateway.trip import Trip

Json = dict[str, Any]
OneSurface = TypeVar("OneSurface", bound=Surface)

CONVERSATION = b"x-trimtab-conversation"


class Answering(Generic[OneSurface]):
    """Reads a request of one surface, lets the pipeline answer it, and writes what came of it.

    A surface waits for nobody. One that needs the database has a subclass of this, which does its waiting before a
    request is read (`surface_for`) and when its answer is complete (`keep`).
    """

    def __init__(self, surface: OneSurface, tools: Tools) -> None:
        self.path, self.route, self.error = surface.path, surface.route, surface.error
        self.surface = surface
        self._tools = tools

    async def __call__(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        """Answer one request; raises ApiError and ClientLeft."""
        with let_in(scope, self._tools):
            await self._answer(scope, receive, sender, served)

    async def surface_for(self, body: Json, caller: Caller) -> OneSurface:
        """What reads a request and shapes its answer; one for all requests where nothing must be fetched first."""
        return self.surface

    async def keep(self, surface: OneSurface, trip: Trip) -> None:
        """Keep a complete answer, before its last byte goes out; most surfaces keep none."""

    async def _answer(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        body = await read_json(receive, self._tools.settings)
        screen = self._tools.screens.of(scope["caller"].terms.policy, body.get("model"))
        surface = await self.surface_for(body, scope["caller"])
        ask = self._read(surface, body, scope, screen)
        trip = served.trip = Trip.begin(ask, screen)
        try:
            async with self._tools.quotas.charge(trip):
                await (self._stream if ask.stream else self._whole)(surface, trip, receive, sender)
        except ApiError as error:
            error.param = surface.field(error.param)
            served.error = error
            await sender.fail(error, headers_of(trip))

    def _read(self, surface: OneSurface, body: Json, scope: Any, screen: Screener) -> Ask:
        settings = self._tools.settings
        asked = surface.read(body)
        try:
            return read_ask(
                asked,
                scope["caller"],
                conversation_of(scope),
                bounds_of(screen, settings, scope["caller"]),
                settings,
                surface.kind,
            )
        except BadRequest as error:
            error.param = surface.field(error.param)
            raise

    async def _whole(self, surface: OneSurface, trip: Trip, receive: Any, sender: Sender) -> None:
        async with ClientStays(receive, trip.leave), self._tools.admission.turn(trip):
            answered = await answer(trip, self._tools)
        told = surface.whole(trip, answered)
        await self.keep(surface, trip)
        await sender.whole(200, told, headers_of(trip))

    async def _stream(self, surface: OneSurface, trip: Trip, receive: Any, sender: Sender) -> None:
        frames = sender.frames = surface.frames(trip)
        async with (
            ClientStays(receive, trip.leave),
            self._tools.admission.turn(trip),
            aclosing(stream(trip, self._tools)) as chunks,
        ):
            await self._send_all(trip, frames, chunks, sender)
        await self.keep(surface, trip)
        await sender.end(frames.end())

    async def _send_all(
        self, trip: Trip, frames: Frames, chunks: AsyncGenerator[list[Json], None], sender: Sender
    ) -> None:
        async for together in chunks:
            if not sender.status:
                self._tools.metrics.stage_seconds.labels("overhead").observe(trip.overhead_seconds)
                self._tools.metrics.first_byte_seconds.observe(time.perf_counter() - trip.started)
                await sender.begin_stream(headers_of(trip))
            if said := b"".join(map(frames.feed, together)):
                await sender.piece(said)


def let_in(scope: Any, tools: Tools) -> Inside:
    """For as long as one request is being answered; raises Forbidden, and entering it Overloaded."""
    caller: Caller = scope["caller"]
    if caller.role not in MAY_CHAT:
        raise Forbidden(f"a key with the role {caller.role} may look, not ask")
    return tools.admission.inside(caller.id)


async def read_json(receive: Any, settings: GatewaySettings) -> Json:
    """The JSON object in a request's body; raises TooLarge, TooSlow, BadRequest and ClientLeft."""
    raw = await read_body(receive, settings.limits.max_body_bytes, settings.limits.body_seconds)
    if raw is None:
        raise TooLarge(f"the body may have at most {settings.limits.max_body_bytes} bytes")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    if nests_too_deeply(raw, body):
        raise BadRequest(
            f"the body's JSON may nest {DEEPEST} levels deep and no deeper", code="nested_too_deeply"
        )
    return body


def conversation_of(scope: Any) -> str | None:
    """The conversation that the client names, if it names one."""
    for name, value in scope["headers"]:
        if name == CONVERSATION:
            return str(value, "latin-1")
    return None


def bounds_of(screen: Screener, settings: GatewaySettings, caller: Caller) -> Bounds:
    """The strictest of the guard policy's, the key's and the gateway's own bounds."""
    policy, key = screen.policy.bounds, caller.terms.bounds
    strategies = None if policy.strategies is None else frozenset[str](policy.strategies)
    bounds = Bounds(
        min(policy.max_n, settings.limits.max_n),
        policy.max_deadline_ms / 1000,
        strategies=strategies,
        dial=policy.dial,
    )
    if key is None:
        return bounds
    return replace(
        bounds,
        max_n=min(bounds.max_n, key.max_n or bounds.max_n),
        max_deadline_seconds=min(
            bounds.max_deadline_seconds, (key.max_deadline_ms or policy.max_deadline_ms) / 1000
        ),
        may_explain=key.may_explain,
    )
