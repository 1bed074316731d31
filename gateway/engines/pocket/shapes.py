"""The two shapes in which OpenAI tells choices: a chat's messages, and the text that goes on."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.engines.pocket.job import Delta, Drawn

Json = dict[str, Any]
ShowToken = Callable[[int], tuple[str, list[int]]]
LOWEST = -9999.0  # JSON has no minus infinity; vLLM writes this


class Choice:
    """One choice as far as it has come; in a stream, as far as it was not told yet."""

    __slots__ = ("drawn", "finish_reason", "index", "offset", "stop_reason", "text")

    def __init__(self, index: int, offset: int = 0) -> None:
        self.index = index
        self.offset = offset  # characters told before
        self.text = ""
        self.drawn: list[Drawn] = []
        self.finish_reason: str | None = None
        self.stop_reason: str | int | None = None

    def add(self, delta: Delta) -> None:
        """Take in one token's worth."""
        self.text += delta.text
        self.drawn.append(delta.drawn)
        self.finish_reason, self.stop_reason = delta.finish_reason, delta.stop_reason

    def rest(self) -> "Choice":
        """What comes after this was told."""
        return Choice(self.index, self.offset + len(self.text))


class Shape(Protocol):
    """How choices are told, whole and in pieces."""

    whole: str  # what OpenAI calls the objects
    piece: str
    prefix: str  # of ids

    def opening(self, index: int) -> Json | None:
        """The first of a choice's chunks; None where it begins with its text."""
        ...

    def told(self, choice: Choice) -> Json:
        """The field with what a whole choice says."""
        ...

    def added(self, choice: Choice) -> Json:
        """The field with what a choice says in a chunk."""
        ...

    def logprobs(self, choice: Choice, show: ShowToken) -> Json:
        """Log probabilities, one for each token drawn, an end-of-text token included as in vLLM."""
        ...


class ChatShape:
    """Chat completions."""

    whole, piece, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def opening(self, index: int) -> Json:
        """A choice's chunk that names the role."""
        return {"role": "assistant", "content": ""}

    def told(self, choice: Choice) -> Json:
        """A message."""
        said: Json = {"role": "assistant", "content": choice.text, "refusal": None, "tool_calls": []}
        return {"message": said}

    def added(self, choice: Choice) -> Json:
        """A delta."""
        return {"delta": {"content": choice.text}}

    def logprobs(self, choice: Choice, show: ShowToken) -> Json:
        """A list of tokens, each with its alternatives."""
        content = [
            {
                **_shown(show, one.token, one.logprob),
                "top_logprobs": [_shown(show, token, logprob) for token, logprob in one.top],
            }
            for one in choice.drawn
        ]
        return {"content": content, "refusal": None}


class TextShape:
    """OpenAI's legacy completions."""

    whole = piece = "text_completion"
    prefix = "cmpl"

    def opening(self, index: int) -> None:
        """A text begins with itself."""

    def told(self, choice: Choice) -> Json:
        """The text."""
        return {"text": choice.text}

    def added(self, choice: Choice) -> Json:
        """More of it."""
        return {"text": choice.text}

    def logprobs(self, choice: Choice, show: ShowToken) -> Json:
        """Four lists, an entry for each token in each; the token drawn is among its alternatives."""
        tokens = [show(one.token)[0] for one in choice.drawn]
        return {
            "text_offset": _offsets(tokens, choice.offset),
            "token_logprobs": [max(one.logprob, LOWEST) for one in choice.drawn],
            "tokens": tokens,
            "top_logprobs": [_alternatives(one, show) for one in choice.drawn],
        }


CHAT, TEXT = ChatShape(), TextShape()


def _shown(show: ShowToken, token: int, logprob: float) -> Json:
    text, data = show(token)
    return {"token": text, "logprob": max(logprob, LOWEST), "bytes": data}


def _alternatives(one: Drawn, show: ShowToken) -> dict[str, float]:
    return {show(token)[0]: max(logprob, LOWEST) for token, logprob in ((one.token, one.logprob), *one.top)}


def _offsets(tokens: Sequence[str], first: int) -> list[int]:
    return [first + sum(map(len, tokens[:place])) for place in range(len(tokens))]
