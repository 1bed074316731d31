"""The chunks of one live stream, in the shape of the engine's own frames and under the client's own names."""

import time
from typing import Any

from gateway.ask import Ask
from gateway.shape import OF_FRAME, Shape, may_pass

Json = dict[str, Any]
KIND = "chat.completion.chunk"


class Framing:
    """What stands around the choices."""

    def __init__(self, ask: Ask, *, prompt_cut: bool) -> None:
        self._ask = ask
        self._id = f"chatcmpl-{ask.id}"
        self._prompt_cut = prompt_cut  # whether something was cut out of the prompt: nothing then spells it
        self._shape = Shape(OF_FRAME)
        self._latest: Json = {}  # around the choices of the frame heard last
        self._counted: Json = {}  # the engine's last frame, which has no choice and tells the usage

    def hear(self, frame: Json) -> None:
        """Keep what the engine's frame told around its choices."""
        around = {**frame, "choices": None}
        if not frame["choices"]:
            self._counted = frame
        elif around == self._latest:  # as engines do around every word
            self._shape.hear_again()
        else:
            self._latest = around
            self._shape.hear(frame)

    def chunk(self, choice: Json) -> Json:
        """A chunk about one choice."""
        chunk = self._named(self._shape.take(), [choice])
        if not self._ask.include_usage:
            chunk.pop("usage", None)
        if self._prompt_cut:
            chunk.pop("prompt_token_ids", None)
            choice.pop("prompt_token_ids", None)
        return chunk

    def usage(self, usage: Json) -> Json:
        """The last chunk, for those who asked for it."""
        counted = {
            name: value for name, value in self._counted.items() if name in OF_FRAME or may_pass(name, value)
        }
        return {**self._named(counted or self._shape.take(), []), "usage": usage}

    def _named(self, chunk: Json, choices: list[Json]) -> Json:
        chunk["id"] = self._id
        chunk["object"] = KIND
        if not isinstance(chunk.get("created"), int):
            chunk["created"] = int(time.time())
        chunk["model"] = self._ask.alias
        chunk["choices"] = choices
        return chunk
