"""The tool calls of a stream, put together from their pieces."""

from typing import Any

Json = dict[str, Any]


class Calls:
    """Grows by the pieces of chat completion chunks."""

    def __init__(self) -> None:
        self._known: dict[int, Json] = {}  # by the engine's own numbers, in the order in which they began

    def hear(self, piece: Json) -> int:
        """Take in more of a call, and say which it is: what comes first of it names it, its texts grow."""
        position = piece.get("index") or 0
        known = self._known.setdefault(position, {})
        for name, value in piece.items():
            before = known.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                known[name] = _grown(before, value)
            elif name != "index" and value is not None:
                known[name] = value
        return list(self._known).index(position)

    def whole(self) -> list[Json]:
        """All of them, in the order in which they began."""
        return list(self._known.values())


def _grown(before: Json, said: Json) -> Json:
    """What is null in a later piece says nothing, as some engines do of a name that they have told."""
    more = {
        name: before[name] + value if isinstance(before.get(name), str) and isinstance(value, str) else value
        for name, value in said.items()
        if value is not None
    }
    return {**before, **more}
