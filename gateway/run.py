"""A run of deltas that only go on with one text, as most do: what was read of the first of them holds for all."""

from collections.abc import Sequence
from typing import Any

from gateway.line import Call, Line
from gateway.parts import Json


class Run:
    """The choice that was heard last without its text, where the next may differ in that alone."""

    def __init__(self) -> None:
        self._choice: dict[str, Any] | None = None
        self._name = ""

    def begin(self, choice: Json, heard: Sequence[Line]) -> None:
        """Take note of a choice that was read, and of the texts that it made grow."""
        name = heard[0].name if len(heard) == 1 and not isinstance(heard[0], Call) else ""
        plain = name and set(choice["delta"]) == {name} and says_only_its_delta(choice)
        self._choice = {**choice, "delta": None} if plain else None
        self._name = name

    def text_of(self, choice: Any) -> str | None:
        """The text with which a choice goes on; None where it does anything else."""
        if self._choice is None or not isinstance(choice, dict):
            return None
        delta = choice.get("delta")
        if not isinstance(delta, dict) or len(delta) != 1 or {**choice, "delta": None} != self._choice:
            return None
        text = delta.get(self._name)
        return text if text and isinstance(text, str) else None


def says_only_its_delta(choice: Json) -> bool:
    """Whether nothing is told beside the delta, neither tokens nor an end."""
    return not any(value for name, value in choice.items() if name not in ("index", "delta"))
