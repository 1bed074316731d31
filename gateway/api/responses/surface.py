"""POST /v1/responses: one request, from its items to a Response object or a stream of events."""

from typing import Any

from gateway.api.responses.asked import Asked, Past, read_asked
from gateway.api.responses.events import Events
from gateway.api.responses.said import Answer
from gateway.engines.contract import Kind
from gateway.errors import ApiError
from gateway.trip import Trip

Json = dict[str, Any]
NOTHING_SAID = Past()


class ResponseSurface:
    """The surface of one request: it knows what was said before, and what its answer repeats of the request."""

    path = "/v1/responses"
    route = "responses"
    kind: Kind = "chat"

    def __init__(self, past: Past = NOTHING_SAID) -> None:
        self._past = past
        self.asked: Asked | None = None  # once it was read
        self.answer: Answer | None = None  # once it was begun

    def read(self, body: Json) -> Json:
        """The input after all that was said before, as messages."""
        self.asked = read_asked(body, self._past)
        return self.asked.chat

    def field(self, param: str | None) -> str | None:
        """The item and the part that a message was made from."""
        return self.asked.transcript.field(param) if self.asked else param

    def whole(self, trip: Trip, body: Json) -> Json:
        """The Response object of the one choice."""
        return self._begin(trip).conclude(body["choices"][0], body)

    def frames(self, trip: Trip) -> Events:
        """Events, the last of which holds the Response object."""
        return Events(self._begin(trip))

    def error(self, error: ApiError) -> Json:
        """OpenAI's shape."""
        return error.body()

    def _begin(self, trip: Trip) -> Answer:
        assert self.asked is not None
        self.answer = Answer(self.asked, trip)
        return self.answer
