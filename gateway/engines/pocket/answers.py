"""OpenAI's response bodies, from deltas: whole answers and the chunks of a stream."""

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.engines.pocket.job import Delta, Drawn

ShowToken = Callable[[int], tuple[str, list[int]]]
LOWEST = -9999.0  # JSON has no minus infinity; vLLM writes this

DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Choice:
    """One choice as far as it has come."""

    index: int
    text: str = ""
    drawn: list[Drawn] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: str | int | None = None

    def add(self, delta: Delta) -> None:
        self.text += delta.text
        self.drawn.append(delta.drawn)
        self.finish_reason, self.stop_reason = delta.finish_reason, delta.stop_reason


@dataclass(frozen=True, slots=True)
class Head:
    """What every body of one response repeats, and how its tokens are shown."""

    model: str
    show: ShowToken
    logprobs: bool
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        named = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**named, "choices": choices, **more}


def completion(head: Head, choices: Iterable[Choice], usage: dict[str, int]) -> bytes:
    """A whole chat completion."""
    told: list[dict[str, Any]] = [
        {
            "index": choice.index,
            "message": {"role": "assistant", "content": choice.text, "refusal": None, "tool_calls": []},
            "logprobs": logprobs(head, choice.drawn),
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
        for choice in choices
    ]
    return orjson.dumps(head.body("chat.completion", told, usage=usage))


def usage_of(prompt: int, drawn: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": drawn, "total_tokens": prompt + drawn}


def opening(head: Head, n: int) -> bytes:
    """The first chunk of every choice, which names the role."""
    return b"".join(_chunk(head, _choice(index, {"role": "assistant", "content": ""})) for index in range(n))


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
        self._unsent[delta.index] = Choice(delta.index)
        told = _choice(choice.index, {"content": choice.text}, logprobs(self._head, choice.drawn))
        if choice.finish_reason:
            told |= {"finish_reason": choice.finish_reason, "stop_reason": choice.stop_reason}
        return _chunk(self._head, told)


def usage_chunk(head: Head, usage: dict[str, int]) -> bytes:
    """The last chunk but for the end mark, where usage was asked for."""
    return frame(head.body("chat.completion.chunk", [], usage=usage))


def frame(body: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _chunk(head: Head, choice: dict[str, Any]) -> bytes:
    return frame(head.body("chat.completion.chunk", [choice]))


def _choice(index: int, delta: dict[str, str], logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}


def logprobs(head: Head, drawn: Iterable[Drawn]) -> dict[str, Any] | None:
    """OpenAI's shape, one entry for each token drawn, an end-of-text token included as in vLLM."""
    if not head.logprobs:
        return None
    content = [
        {
            **_shown(head, one.token, one.logprob),
            "top_logprobs": [_shown(head, token, logprob) for token, logprob in one.top],
        }
        for one in drawn
    ]
    return {"content": content, "refusal": None}


def _shown(head: Head, token: int, logprob: float) -> dict[str, Any]:
    text, data = head.show(token)
    return {"token": text, "logprob": max(logprob, LOWEST), "bytes": data}
