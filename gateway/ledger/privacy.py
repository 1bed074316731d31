"""What of an exchange may be written down: where the policy redacts, the redacted text and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway import parts
from gateway.errors import BadRequest
from gateway.exchange import Candidate, Exchange, Message
from guards.verdict import Screening


def scrubbed(exchange: Exchange) -> Exchange:
    """The exchange as it may be written: every screened text as its screening lets it pass."""
    candidates = tuple(map(_candidate, exchange.candidates))
    screening = exchange.prompt_screening
    if screening is None:
        return replace(exchange, candidates=candidates)
    messages = exchange.messages
    if redacts(screening):
        messages = _messages(messages, screening)
    return replace(
        exchange, messages=messages, candidates=candidates, prompt_screening=replace(screening, segments=())
    )


def redacts(screening: Screening) -> bool:
    """Whether the screening cut anything out."""
    return any(screening.redactions)


def _messages(messages: tuple[Message, ...], screening: Screening) -> tuple[Message, ...]:
    """Each text replaced by its safe one, or all by the whole safe text where they cannot be matched.

    They cannot where a text was cut out whole and nothing stands in its place: later texts would move up.
    """
    try:
        found = parts.of_prompt({"messages": messages})
        safe = screening.segments[: len(found)]
        if len(safe) == len(found) and all(segment.text for segment in safe):
            return tuple(parts.put_back({"messages": list(messages)}, found, safe)["messages"])
    except BadRequest:
        pass  # what cannot be read, or not be put back, is kept as the text that may be
    return ({"role": "user", "content": screening.text},)


def _candidate(candidate: Candidate) -> Candidate:
    """A candidate's message with safe texts; the tokens of a redacted one spell what was cut, so they go."""
    screening = candidate.screening
    if screening is None:
        return candidate
    kept = replace(screening, segments=())
    if not redacts(screening):
        return replace(candidate, screening=kept)
    message = _message(candidate.message, screening)
    text = parts.text_of(message.get("content"))
    return replace(candidate, text=text, message=message, logprobs=None, screening=kept)


def _message(message: Mapping[str, Any], screening: Screening) -> Mapping[str, Any]:
    try:
        found = parts.of_reply(message)
        if len(found) == len(screening.segments):
            return parts.put_back(message, found, screening.segments)
    except parts.Unscannable:
        pass  # as above
    return {"role": "assistant", "content": screening.text}
