"""What an engine is asked for, and the candidates that its answer holds. Pure."""

from typing import Any

from gateway import parts
from gateway.engines.contract import EngineFailed
from gateway.exchange import Candidate, Usage
from gateway.trip import Trip

Json = dict[str, Any]


def engine_body(trip: Trip, model: str) -> Json:
    """The request as the engine gets it: the client's own, on the version's name, with n candidates."""
    body = {**trip.body, "model": model}
    if "request_id" in body:  # two clients may choose the same, and an engine aborts by it
        body["request_id"] = trip.ask.id
    if trip.ask.samples > 1:
        body["n"] = trip.ask.samples
    return body


def candidates_in(completion: parts.Json, expected: int) -> tuple[Candidate, ...]:
    """The candidates of an engine's answer; raises EngineFailed when it is none, or Unscannable."""
    try:
        return tuple(
            _candidate(index, choice) for index, choice in enumerate(choices_in(completion, expected))
        )
    except (KeyError, TypeError, AttributeError):
        raise EngineFailed("the engine's answer is no chat completion") from None


def choices_in(completion: parts.Json, expected: int) -> list[Json]:
    """The choices of an engine's answer; raises EngineFailed when there are not as many, or Unscannable."""
    choices = completion.get("choices")
    if not isinstance(choices, list):
        raise EngineFailed("the engine's answer is no chat completion")
    if len(choices) != expected:
        raise EngineFailed(f"the engine gave {len(choices)} choices where {expected} were asked for")
    for choice in choices:
        parts.check_choice(choice)
    return choices


def _candidate(index: int, choice: parts.Json) -> Candidate:
    message, tokens = choice["message"], choice.get("token_ids")
    return Candidate(
        index=index,
        text=parts.text_of(message.get("content")),
        message=message,
        finish_reason=choice.get("finish_reason") or "stop",
        tokens=len(tokens) if tokens else 0,
        logprobs=choice.get("logprobs"),
    )


def usage_in(completion: parts.Json) -> Usage:
    """The tokens that the engine says it spent."""
    usage = completion.get("usage") or {}
    return Usage(*(int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")))
