"""The Messages API as one of the public surfaces."""

from typing import Any

from gateway.api.messages.asked import chat_of
from gateway.api.messages.errors import error_body, own_field
from gateway.api.messages.events import Events
from gateway.api.messages.said import message_of
from gateway.engines.contract import Kind
from gateway.errors import ApiError
from gateway.trip import Trip

Json = dict[str, Any]


class Messages:
    """Anthropic's messages."""

    path = "/v1/messages"
    route = "messages"
    kind: Kind = "chat"

    def read(self, body: Json) -> Json:
        """Blocks as messages and parts, tools as functions."""
        return chat_of(body)

    def field(self, param: str | None) -> str | None:
        """Anthropic's name."""
        return own_field(param)

    def whole(self, trip: Trip, body: Json) -> Json:
        """The one choice as a message."""
        return message_of(trip, body)

    def frames(self, trip: Trip) -> Events:
        """Named events."""
        return Events(trip)

    def error(self, error: ApiError) -> Json:
        """Anthropic's shape."""
        return error_body(error)
