"""POST /v1/chat/completions: the surface that all others are turned into, and so changes nothing itself."""

from typing import Any

import orjson

from gateway.engines.contract import Kind
from gateway.errors import ApiError
from gateway.sse import LAST_FRAME, frame
from gateway.trip import Trip

Json = dict[str, Any]


class ChatFrames:
    """Chunks as they are, and `[DONE]`."""

    def feed(self, chunk: Json) -> bytes:
        """One frame."""
        return frame(orjson.dumps(chunk))

    def end(self) -> bytes:
        """What OpenAI's clients wait for."""
        return LAST_FRAME

    def fail(self, error: ApiError) -> bytes:
        """The error, after which no `[DONE]` comes."""
        return frame(orjson.dumps(error.body()))


class Chat:
    """OpenAI's chat completions."""

    path = "/v1/chat/completions"
    route = "chat"
    kind: Kind = "chat"

    def read(self, body: Json) -> Json:
        """As it came."""
        return body

    def field(self, param: str | None) -> str | None:
        """The same."""
        return param

    def whole(self, trip: Trip, body: Json) -> Json:
        """As it is."""
        return body

    def frames(self, trip: Trip) -> ChatFrames:
        """Chunks and `[DONE]`."""
        return ChatFrames()

    def error(self, error: ApiError) -> Json:
        """OpenAI's shape."""
        return error.body()
