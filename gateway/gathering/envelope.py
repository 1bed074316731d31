"""Choices that came one after the other, kept as if one completion had held them all."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.exchange import Usage
from gateway.sampling import candidates_in
from gateway.trip import Trip

Json = dict[str, Any]


def keep_choices(
    trip: Trip, choices: Sequence[Json], usage: Usage, around: Mapping[str, Any] | None = None
) -> None:
    """Make the choices, numbered from the first, the engine's answer of the trip and its candidates.

    `around` is an engine's answer whose other fields stand for all; raises EngineFailed or Unscannable.
    """
    numbered = [{**choice, "index": index} for index, choice in enumerate(choices)]
    spent = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }
    trip.completion = {**(around or {}), "choices": numbered, "usage": spent}
    trip.usage = usage
    trip.candidates = candidates_in(trip.completion, len(numbered))
