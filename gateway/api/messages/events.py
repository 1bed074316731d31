"""A stream of the Messages API: chunks of a chat completion as events that begin, fill and end content blocks."""

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.api.messages.content import Content
from gateway.api.messages.errors import error_body
from gateway.api.messages.said import KINDS, begun, stop_of, usage_of
from gateway.errors import ApiError
from gateway.sse import event_frame
from gateway.trip import Trip

Json = dict[str, Any]
LEGACY = -1  # the position of OpenAI's old function call, which no other call has


class Events:
    """The events of one message; fed with the chunks of its one choice."""

    def __init__(self, trip: Trip) -> None:
        self._trip = trip
        self._begun = False
        self._content = Content(trip.ask.id)
        self._thought = ""  # what the engine calls it

    def feed(self, chunk: Json) -> bytes:
        """What a chunk says, as events; nothing for a chunk without a choice."""
        return b"".join(_frame(event) for choice in chunk["choices"] for event in self._heard(choice, chunk))

    def end(self) -> bytes:
        """All has been said."""
        return _frame({"type": "message_stop"})

    def fail(self, error: ApiError) -> bytes:
        """The error, after which no `message_stop` comes."""
        return _frame(error_body(error))

    def _heard(self, choice: Json, chunk: Json) -> Iterator[Json]:
        if not self._begun:
            self._begun = True
            yield {"type": "message_start", "message": begun(self._trip)}
        for name, kind in KINDS.items():
            if (text := choice["delta"].get(name)) and self._is_new(name, kind):
                yield from self._content.say(kind, text)
        for call in choice["delta"].get("tool_calls") or ():
            yield from self._content.call(call)
        if legacy := choice["delta"].get("function_call"):  # which comes whole, after all other calls
            yield from self._content.call({"index": LEGACY, "function": legacy})
        if reason := choice["finish_reason"]:
            yield from self._content.break_off() if reason == "content_filter" else self._content.end()
            yield self._finished(choice, chunk)

    def _is_new(self, name: str, kind: str) -> bool:
        """Whether this is not said under another name as well."""
        if kind == "thinking":
            self._thought = self._thought or name
        return kind != "thinking" or name == self._thought

    def _finished(self, choice: Json, chunk: Json) -> Json:
        stop = stop_of(self._trip, choice, called=self._content.calls > 0)
        event = {"type": "message_delta", "delta": stop, "usage": usage_of(self._trip)}
        return {**event, "alignment": chunk["alignment"]} if "alignment" in chunk else event


def _frame(event: Json) -> bytes:
    return event_frame(event["type"], orjson.dumps(event))
