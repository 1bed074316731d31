"""The two ways to ask an engine for words: the next turn of a conversation, or how a text goes on. Pure.

Behind this file there are chat completions only: a text to go on with is a conversation of one turn.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.engines.contract import Body, EngineFailed, Kind

Json = dict[str, Any]


class Tongue(Protocol):
    """One of an engine's own routes, and how its words become a chat completion's."""

    path: str

    def asked(self, body: Body) -> Body:
        """The request as this route takes it."""
        ...

    def completion(self, answer: Json) -> Json:
        """An answer as a chat completion."""
        ...

    def chunk(self, answer: Json) -> Json:
        """A piece of a streamed answer as a chat completion's chunk."""
        ...


class Chatting:
    """Chat completions are what they are."""

    path = "/chat/completions"

    def asked(self, body: Body) -> Body:
        """The same."""
        return body

    def completion(self, answer: Json) -> Json:
        """The same."""
        return answer

    def chunk(self, answer: Json) -> Json:
        """The same."""
        return answer


class Continuing:
    """OpenAI's legacy completions: `prompt` in, `text` out; logprobs keep their own old shape."""

    path = "/completions"

    def asked(self, body: Body) -> Body:
        """The one turn's text as the prompt."""
        return {
            "prompt": body["messages"][0]["content"],
            **{name: value for name, value in body.items() if name != "messages"},
        }

    def completion(self, answer: Json) -> Json:
        """Each choice's text as an assistant's message."""
        return self._turned(answer, "message", {"role": "assistant"})

    def chunk(self, answer: Json) -> Json:
        """Each choice's text as a delta."""
        return self._turned(answer, "delta", {})

    def _turned(self, answer: Json, name: str, more: Json) -> Json:
        choices = answer.get("choices")
        if not isinstance(choices, list):
            raise EngineFailed("the engine's answer is no completion")
        return {**answer, "choices": [self._choice(choice, name, more) for choice in choices]}

    def _choice(self, choice: Any, name: str, more: Json) -> Json:
        if not isinstance(choice, Mapping) or not isinstance(choice.get("text"), str):
            raise EngineFailed("the engine's answer has a choice without text")
        said = {**more, "content": choice["text"]}
        turned = {(name if key == "text" else key): value for key, value in choice.items()} | {name: said}
        if logprobs := turned.get("logprobs"):
            if not all(isinstance(each, list | None) for each in logprobs.values()):
                raise EngineFailed("the engine's log probabilities are none")
            turned["logprobs"] = {"content": [logprobs]}
        return turned


TONGUES: Mapping[Kind, Tongue] = {"chat": Chatting(), "text": Continuing()}
