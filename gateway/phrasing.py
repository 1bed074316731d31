"""How one choice of a stream is put: each thing said goes out in the shape in which the engine says such things."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.shape import OF_CHOICE, Shape, may_pass
from gateway.spelled import Marks, Spelled

Json = dict[str, Any]


@dataclass(slots=True)
class Phrasing:
    """The choice in the engine's frames: its fields and their order, without the text, which is told what to be."""

    index: int
    redacted: bool = False  # whether anything was cut out: tokens would spell what the text no longer says
    introduced: bool = False  # whether the role was told
    spelled: Spelled = field(default_factory=Spelled)
    shape: Shape = field(default_factory=lambda: Shape(OF_CHOICE))
    delta: Json = field(default_factory=dict)  # the latest
    last: Mapping[str, Any] = field(default_factory=dict)  # the choice as it was finished

    def hear(self, choice: Mapping[str, Any], marks: Marks, *, at_the_end: bool) -> None:
        """Take in a choice and which texts it made grow; what spells them may have to wait for the end."""
        self.delta = choice.get("delta") or {}
        self.spelled.hear(choice, marks, at_the_end=at_the_end)
        if choice.get("finish_reason"):
            self.last = choice
            choice = {name: value for name, value in choice.items() if name in OF_CHOICE}
        self.shape.hear(choice)

    def say(self, said: Json) -> Json:
        """A choice that says this."""
        choice = self.shape.take()
        choice["index"] = self.index
        choice["delta"] = self._delta(said)
        self._spell(choice, last=False)
        choice["finish_reason"] = None
        return choice

    def finish(self) -> Json:
        """The choice of the last chunk: the engine's own, without what was said by now."""
        choice = {
            name: value for name, value in self.last.items() if name in OF_CHOICE or may_pass(name, value)
        }
        choice["index"] = self.index
        choice["delta"] = self._delta({})
        self._spell(choice, last=True)
        return choice

    def _spell(self, choice: Json, *, last: bool) -> None:
        logprobs, token_ids = self.spelled.take(last=last) if self.spelled.entries else (None, None)
        if self.redacted:
            logprobs = token_ids = None
        if logprobs or "logprobs" in choice:
            choice["logprobs"] = logprobs
        if token_ids or "token_ids" in choice:
            choice["token_ids"] = token_ids

    def _delta(self, said: Json) -> Json:
        """A delta in the shape of the engine's latest; the first one tells the role."""
        delta: Json = {}
        for name, value in self.delta.items():
            if name in said:
                delta[name] = said[name]
            elif name == "role":
                delta[name] = value and "assistant"
            elif not value or not isinstance(value, str | list | dict):
                delta[name] = value
        delta |= said
        if not self.introduced:
            self.introduced = True
            delta = {"role": "assistant", **delta, **({"role": "assistant"} if "role" in delta else {})}
        return delta
