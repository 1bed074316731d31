"""A conversation's turns: how long ago each message was said, and what may be read together with the last."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guards.verdict import Segment

OTHERS = frozenset(
    {"system", "developer", "assistant", "tool", "function"}
)  # whoever is none of them is a user
ALWAYS_NEW = frozenset({"system", "developer"})
JOINED = frozenset({"content", "tool_result"})  # parts whose texts an engine may put one after the other
MOST_EARLIER = 8  # texts
Json = Mapping[str, Any]


def ages(messages: Sequence[Json]) -> list[int]:
    """How often the user has begun to speak since each message; what operators say is always new."""
    found, age = [0] * len(messages), 0
    for index in range(len(messages) - 1, -1, -1):
        role = messages[index]["role"]
        found[index] = 0 if role in ALWAYS_NEW else age
        if role not in OTHERS and (index == 0 or messages[index - 1]["role"] in OTHERS):
            age += 1
    return found


class Earlier:
    """What was said on each side of a conversation until now, as far as it may be read together with what follows."""

    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}

    def placed(self, segment: Segment, age: int) -> Segment:
        """The segment as the conversation has it: its age, and if it is new the texts before it."""
        if segment.part not in JOINED:
            return replace(segment, turns_ago=age) if age else segment
        before = self._said.setdefault(segment.part, [])
        earlier = () if age else tuple(before[-MOST_EARLIER:])
        before.append(segment.text)
        return replace(segment, turns_ago=age, earlier=earlier) if age or earlier else segment
