"""The shape of what an engine says in frames: its fields and their order, for the frames that go out in their place.

Text waits for guards, and so one frame goes out for several that came. What they told beside the text is told with
the next that goes out: some fields in each, the others once.
"""

from collections.abc import Mapping, Set
from typing import Any

from gateway.parts import LABELS
from gateway.textless import textless

Json = dict[str, Any]
OF_FRAME = frozenset({"id", "object", "created", "model", "choices", "system_fingerprint", "service_tier"})
OF_CHOICE = frozenset({"index", "delta", "logprobs", "finish_reason"})
# Of what is told once, numbers that may be many; token ids among them are held back with their text (spelled.py).
COUNTS = frozenset({"usage", "prompt_token_ids", "token_ids"})


class Shape:
    """The fields of one object that comes again and again; `each` are those that every one of them has."""

    def __init__(self, each: Set[str]) -> None:
        self._each = each
        self._fields: Json = {}
        self._fresh: set[str] = set()  # told since something went out
        self._latest: Json = {}  # what was told last of the others
        # What goes out, by what is fresh, until something else is told.
        self._taken: dict[frozenset[str], Json] = {}

    def hear(self, told: Mapping[str, Any]) -> None:
        """Keep what is told; nothing that was not passed on yet is forgotten for a null."""
        self._taken.clear()
        self._latest = {name: value for name, value in told.items() if name not in self._each}
        for name, value in told.items():
            if name in self._each:
                self._fields[name] = value
            else:
                self._keep(name, value)

    def hear_again(self) -> None:
        """The same was told once more."""
        for name, value in self._latest.items():
            self._keep(name, value)

    def _keep(self, name: str, value: Any) -> None:
        if value is None and name in self._fresh:
            return
        if self._fields.get(name) is not value:
            self._taken.clear()
        self._fields[name] = value
        self._fresh.add(name)

    def take(self) -> Json:
        """The fields of what goes out now, in the engine's order."""
        each, fresh = self._each, frozenset(self._fresh)
        taken = self._taken.get(fresh)
        if taken is None:
            taken = self._taken[fresh] = {
                name: value
                for name, value in self._fields.items()
                if name in each or (name in fresh and may_pass(name, value))
            }
        self._fresh.clear()
        return dict(taken)


def may_pass(name: str, value: Any) -> bool:
    """Whether a field may go out before all text was read: it is a known one, or has nothing to spell with."""
    if isinstance(value, list | dict):
        return not value or (name in COUNTS and textless(value))
    return not value or not isinstance(value, str) or name in LABELS
