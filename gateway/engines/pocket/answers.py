"""OpenAI's response bodies, from deltas: whole answers and the chunks of a stream."""

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.engines.pocket.job import Delta
from gateway.engines.pocket.shapes import CHAT, Choice, Shape, ShowToken

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Head:
    """What every body of one response repeats, and how its tokens are shown."""

    model: str
    show: ShowToken
    logprobs: bool
    shape: Shape = CHAT
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        told = {"id": f"{self.shape.prefix}-{self.name}", "object": kind, "created": self.created}
        return {**told, "model": self.model, "choices": choices, **more}

    def spelled(self, choice: Choice) -> dict[str, Any] | None:
        return self.shape.logprobs(choice, self.show) if self.logprobs else None


def completion(head: Head, choices: Iterable[Choice], usage: dict[str, int]) -> bytes:
    """A whole completion."""
    told: list[dict[str, Any]] = [
        {
            "index": choice.index,
            **head.shape.told(choice),
            "logprobs": head.spelled(choice),
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
        for choice in choices
    ]
    return orjson.dumps(head.body(head.shape.whole, told, usage=usage))


def usage_of(prompt: int, drawn: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": drawn, "total_tokens": prompt + drawn}


def opening(head: Head, n: int) -> bytes:
    """The first chunk of every choice, where the shape has one, which names the role."""
    deltas = ((index, head.shape.opening(index)) for index in range(n))
    return b"".join(_chunk(head, _choice(index, {"delta": said})) for index, said in deltas if said)


class Chunks:
    """Turns deltas into chunks; a token without text waits for the next that has some."""

    def __init__(self, head: Head, n: int) -> None:
        self._head = head
        self._unsent = [Choice(index) for index in range(n)]

    def of(self, deltas: Sequence[Delta]) -> bytes:
        """The frames that these deltas complete."""
        return b"".join(self._frame(delta) for delta in deltas)

    def _frame(self, delta: Delta) -> bytes:
        choice = self._unsent[delta.index]
        choice.add(delta)
        if not choice.text and not choice.finish_reason:
            return b""
        self._unsent[delta.index] = choice.rest()
        told = _choice(choice.index, self._head.shape.added(choice), self._head.spelled(choice))
        if choice.finish_reason:
            told |= {"finish_reason": choice.finish_reason, "stop_reason": choice.stop_reason}
        return _chunk(self._head, told)


def usage_chunk(head: Head, usage: dict[str, int]) -> bytes:
    """The last chunk but for the end mark, where usage was asked for."""
    return frame(head.body(head.shape.piece, [], usage=usage))


def frame(body: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _chunk(head: Head, choice: dict[str, Any]) -> bytes:
    return frame(head.body(head.shape.piece, [choice]))


def _choice(index: int, said: dict[str, Any], logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"index": index, **said, "logprobs": logprobs, "finish_reason": None}
