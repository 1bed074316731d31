"""A client's connection, on which requests arrive whole, small enough and in time, or not at all; and answers leave.

uvicorn bounds neither a head nor its arrival: who dribbles headers would keep a connection, and memory, for ever.
The body's size and the answer to a slow one are the routes' own; here only the connection is given up after that.
"""

from enum import Enum, auto
from functools import partial
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.api.sender import FAREWELL_SECONDS
from gateway.clock import Alarm, clock_of
from gateway.errors import ApiError, BadRequest, HeadTooLarge, TooSlow
from gateway.serving.reading import Reading
from gateway.settings import Limits

GRACE_SECONDS = 2.0  # for a route to say itself that a body came too slowly


class Stage(Enum):
    """How far the latest request on a connection has come."""

    AWAITED = auto()
    HEAD = auto()
    BODY = auto()
    WHOLE = auto()


class Arrival(HttpToolsProtocol):
    """uvicorn's protocol, with a limit on every wait for the client while nobody waits for the gateway."""

    def __init__(self, limits: Limits, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limits = limits
        self._clock = clock_of(self.loop)
        self._stage = Stage.AWAITED
        self._head_bytes = 0  # come by now, without those that came together with its first
        self._refusal: ApiError | None = None
        self._timer: Alarm | None = None

    def connection_made(self, transport: Any) -> None:
        """A first request is expected."""
        super().connection_made(transport)
        self._reading = Reading(transport, self._clock, self._limits.stream_stall_seconds)
        self._expect(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is expected."""
        self._expect(None)
        self._reading.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to."""
        super().pause_writing()
        self._reading.watch()

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        self._reading.stop()

    def on_response_complete(self) -> None:
        """An answer has been written; whether it is taken matters once nothing more is to come."""
        super().on_response_complete()
        self._expect_to_be_read()

    def timeout_keep_alive_handler(self) -> None:
        """No other request has come."""
        super().timeout_keep_alive_handler()
        self._expect_to_be_read()

    def shutdown(self) -> None:
        """The gateway ends: who has its answer has a moment to take it."""
        super().shutdown()
        self._expect_to_be_read(FAREWELL_SECONDS)

    def _expect_to_be_read(self, seconds: float | None = None) -> None:
        """A transport that is closing waits for its client to take the rest, and would do so for ever."""
        if self.transport.is_closing():
            self._reading.watch(seconds)

    def data_received(self, data: bytes) -> None:
        """More of a request, or the beginning of one, or of nothing: even line breaks must lead to a request."""
        if self._stage is Stage.WHOLE and self._idle():
            self._stage = Stage.AWAITED
        before = self._stage
        super().data_received(data)
        if self.transport.is_closing() or self._stage is Stage.WHOLE:
            self._expect(None)
            return
        if before is self._stage is Stage.HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_head_bytes:
                self._refuse(self._too_large())
                return
        if self._timer is None or self._stage is not before:
            in_body = self._stage is Stage.BODY
            self._expect(self._limits.body_seconds + GRACE_SECONDS if in_body else self._limits.head_seconds)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._stage, self._head_bytes = Stage.HEAD, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; raises HeadTooLarge, which ends in `send_400_response`."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.max_head_bytes:
            self._refusal = self._too_large()
            raise self._refusal
        self._stage = Stage.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stage = Stage.WHOLE
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed, in the shape in which clients know errors."""
        self._refuse(self._refusal or BadRequest("what came is no HTTP request", code="invalid_http"))

    def _idle(self) -> bool:
        """Whether nobody is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _silent(self) -> bool:
        """Whether no answer has begun that is not complete."""
        begun = self.cycle is not None and self.cycle.response_started
        return self._idle() or (self._stage is Stage.BODY and not self.pipeline and not begun)

    def _expect(self, seconds: float | None) -> None:
        """Give the client so long for what it owes; None where it owes nothing."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._clock.after(seconds, partial(self._late, seconds))

    def _late(self, seconds: float) -> None:
        """Hang up, unless it is not the client who is waited for: pipelined requests wait for the answer before."""
        if self.flow.read_paused or self.pipeline or not (self._idle() or self._stage is Stage.BODY):
            self._expect(seconds)
        elif self._stage is Stage.HEAD:
            self._refuse(
                TooSlow(f"the headers did not arrive within {seconds:g} seconds", code="head_timeout")
            )
        else:
            self._expect(None)
            self._hang_up()

    def _refuse(self, error: ApiError) -> None:
        """Say why, and hang up; amid an answer, which this would become a part of, only hang up."""
        self._expect(None)
        if self._silent() and not self.transport.is_closing():
            body = orjson.dumps(error.body())
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(
                body
            )
            self.transport.write(STATUS_LINE[error.status] + head + body)
        self._hang_up()

    def _hang_up(self) -> None:
        self.transport.close()
        self._expect_to_be_read()

    def _too_large(self) -> HeadTooLarge:
        return HeadTooLarge(f"path and headers may have at most {self._limits.max_head_bytes} bytes")
