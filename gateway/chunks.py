"""Chat completion chunks: OpenAI's shapes for what a stream says."""

from collections.abc import Iterator
from typing import Any

from gateway import reply
from gateway.trip import Trip

Json = dict[str, Any]
KIND = "chat.completion.chunk"
# A finished answer that was asked for as a stream comes in pieces of about a dozen words.
PIECE_CHARACTERS = 64
THOUGHTS = ("reasoning", "reasoning_content")


def chunk(trip: Trip, index: int, delta: Json, finish_reason: str | None = None, **more: Any) -> Json:
    """One chunk about one choice."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **more}
    return {**reply.envelope_of(trip, KIND), "choices": [choice]}


def usage_chunk(trip: Trip) -> Json:
    """The last chunk, for those who asked for usage."""
    return {**reply.envelope_of(trip, KIND), "choices": [], "usage": reply.usage_of(trip)}


def chunks_of(trip: Trip, body: Json) -> Iterator[Json]:
    """A whole answer as a stream."""
    for choice in body["choices"]:
        yield from _chunks_of_choice(trip, choice, body.get("alignment"))
    if trip.ask.include_usage:
        yield usage_chunk(trip)


def _chunks_of_choice(trip: Trip, choice: Json, alignment: Json | None) -> Iterator[Json]:
    index, message = choice["index"], choice["message"]
    yield chunk(trip, index, {"role": "assistant", "content": ""})
    for name, value in sorted(
        message.items(), key=lambda said: said[0] not in THOUGHTS
    ):  # thought, then said
        if name == "role" or not value:
            continue
        if isinstance(value, str):
            for start in range(0, len(value), PIECE_CHARACTERS):
                yield chunk(trip, index, {name: value[start : start + PIECE_CHARACTERS]})
        elif name == "tool_calls":
            for position, call in enumerate(value):
                yield chunk(trip, index, {name: [{"index": position, **call}]})
        else:
            yield chunk(trip, index, {name: value})
    last = chunk(trip, index, {}, choice["finish_reason"], logprobs=choice.get("logprobs"))
    if alignment is not None and index == trip.ask.returned - 1:
        last["alignment"] = alignment
    yield last
