"""POST /v1/completions: OpenAI's legacy surface, where a text goes in and goes on.

The prompt is screened like a user's message and reaches the engine's own /v1/completions, without a chat template.
"""

from typing import Any

import orjson

from gateway.engines.contract import Kind
from gateway.errors import ApiError, BadRequest
from gateway.sse import LAST_FRAME, frame
from gateway.trip import Trip

Json = dict[str, Any]
KIND = "text_completion"
SAID = ("message", "delta")


class Completions:
    """One text, continued."""

    path = "/v1/completions"
    route = "completions"
    kind: Kind = "text"

    def read(self, body: Json) -> Json:
        """The prompt as a conversation of one turn."""
        body = dict(body)
        prompt = body.pop("prompt", None)
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if not isinstance(prompt, str):
            raise BadRequest(
                "prompt must be one text: guards read no token ids, and several texts are several requests",
                param="prompt",
            )
        if "messages" in body:
            raise BadRequest("a completion has a prompt and no messages", param="messages")
        return {**body, "messages": [{"role": "user", "content": prompt}]}

    def field(self, param: str | None) -> str | None:
        """The turn is the prompt."""
        return "prompt" if param and param.startswith("messages") else param

    def whole(self, trip: Trip, body: Json) -> Json:
        """Each choice's message as text."""
        choices = [_choice(choice, choice["message"]) for choice in body["choices"]]
        return {**body, "id": f"cmpl-{trip.ask.id}", "object": KIND, "choices": choices}

    def frames(self, trip: Trip) -> "TextFrames":
        """Chunks of text, and `[DONE]`."""
        return TextFrames(trip)

    def error(self, error: ApiError) -> Json:
        """OpenAI's shape."""
        return error.body()


class TextFrames:
    """A stream of `text_completion` chunks; those that say nothing are left out."""

    def __init__(self, trip: Trip) -> None:
        self._id = f"cmpl-{trip.ask.id}"

    def feed(self, chunk: Json) -> bytes:
        """A frame for text, for an end and for usage."""
        choices = [
            _choice(choice, choice["delta"])
            for choice in chunk["choices"]
            if choice["delta"].get("content") or choice["finish_reason"]
        ]
        if chunk["choices"] and not choices:
            return b""
        return frame(orjson.dumps({**chunk, "id": self._id, "object": KIND, "choices": choices}))

    def end(self) -> bytes:
        """What OpenAI's clients wait for."""
        return LAST_FRAME

    def fail(self, error: ApiError) -> bytes:
        """The error, after which no `[DONE]` comes."""
        return frame(orjson.dumps(error.body()))


def _choice(choice: Json, said: Json) -> Json:
    """A choice in the legacy shape, its fields in the order in which the engine tells them."""
    text = said.get("content") or ""
    told = {(name if name not in SAID else "text"): value for name, value in choice.items()} | {"text": text}
    if told.get("logprobs"):
        told["logprobs"] = _joined(told["logprobs"]["content"])
    return told


def _joined(logprobs: list[Json]) -> Json:
    """The legacy logprobs of several pieces as those of one."""
    if len(logprobs) == 1:
        return logprobs[0]
    names = dict.fromkeys(name for each in logprobs for name in each)
    return {name: [one for each in logprobs for one in each.get(name) or ()] for name in names}
