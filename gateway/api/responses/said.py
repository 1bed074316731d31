"""The answer as a Response object, from its first mention in a stream until it is complete."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from gateway import parts, reply
from gateway.api.responses.asked import Asked
from gateway.api.responses.items import input_of, named, output_of, response_id
from gateway.api.responses.options import asked_options
from gateway.errors import ApiError, Overloaded
from gateway.trip import Trip

Json = dict[str, Any]

# Why an answer that ended so is not complete.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
# What a response repeats of its request as it came: none of it is shown to a model.
REPEATED = ("previous_response_id", "user", "safety_identifier", "prompt_cache_key")
# What a chat completion tells beside its choices, and a response under the same name.
BESIDE = ("service_tier", "alignment")


class Answer:
    """The Response object of one request as it comes about."""

    def __init__(self, asked: Asked, trip: Trip) -> None:
        self._asked = asked
        self._trip = trip
        self._created_at = int(time.time())
        self.complete: Json = {}  # the response once all is said; may still be changed until it is sent

    @property
    def exchange_id(self) -> str:
        """Of the exchange that it answers, and that its items' ids are made from."""
        return self._trip.ask.id

    def begun(self) -> Json:
        """The response before anything is said."""
        return self._response("in_progress", ())

    def conclude(self, choice: Json, told: Mapping[str, Any]) -> Json:
        """The response once its one choice is complete; refused or cut off, it is marked incomplete.

        `told` is the chat completion, or the chunk, in which the choice ended.
        """
        logprobs = (choice.get("logprobs") or {}).get("content")
        output = named(output_of(choice["message"], logprobs), self.exchange_id)
        reason = INCOMPLETE.get(choice["finish_reason"])
        if reason:
            output[-1]["status"] = "incomplete"
        self.complete = {
            **self._response("incomplete" if reason else "completed", output),
            "incomplete_details": {"reason": reason} if reason else None,
            "usage": usage_of(self._trip),
        }
        self.complete |= {name: told[name] for name in BESIDE if told.get(name) is not None}
        return self.complete

    def failed(self, message: Json, error: ApiError) -> Json:
        """The response when the rest of it will not come; one that failed is not stored."""
        output = named(output_of(message), self.exchange_id) if message else []
        for item in output:
            item["status"] = "incomplete"
        told = {"code": code_of(error), "message": error.message}
        return {**self._response("failed", output), "error": told, "store": False}

    def stored_input(self) -> list[Json]:
        """The request's own items, as they may be written down: after the guards have redacted them."""
        messages = self._trip.body["messages"][self._asked.own :]
        return named(input_of(messages), self.exchange_id, "in")

    def _response(self, status: str, output: Sequence[Json]) -> Json:
        request, body = self._asked.request, self._trip.body
        said = parts.text_of(body["messages"][0]["content"]) if self._asked.instructed else None
        instructions = said and self._trip.vault.restore(said)
        return {
            "id": response_id(self.exchange_id),
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": instructions,
            "model": self._trip.ask.alias,
            "output": list(output),
            **asked_options(body),
            **{name: request.get(name) for name in REPEATED},
            "metadata": request.get("metadata") or {},
            "truncation": "disabled",
            "store": self._asked.store,
            "usage": None,
        }


def usage_of(trip: Trip) -> Json:
    """The tokens spent, in this API's words."""
    usage = reply.usage_of(trip)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    reasoned = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return {
        "input_tokens": usage.get("prompt_tokens") or 0,
        "input_tokens_details": {"cached_tokens": cached or 0, "cache_write_tokens": 0},
        "output_tokens": usage.get("completion_tokens") or 0,
        "output_tokens_details": {"reasoning_tokens": reasoned or 0},
        "total_tokens": usage.get("total_tokens") or 0,
    }


def code_of(error: ApiError) -> str:
    """One of the few codes that a response may fail with."""
    if isinstance(error, Overloaded):
        return "rate_limit_exceeded"
    return "server_error" if error.status >= 500 else "invalid_prompt"
