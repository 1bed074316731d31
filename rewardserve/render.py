"""How a conversation and a candidate become the text that a reward model reads. Pure.

Three ways, chosen by what the model brings:

* chat   the tokenizer has a chat template: the candidate is rendered as the assistant's next turn, and the
         template says which special tokens there are; none is added on top, so a BOS is never doubled
* pair   no template, an encoder (DeBERTa, BERT …): two segments, the conversation and the candidate. A lone
         user turn stands as it is; longer conversations are written as in `plain`
* plain  no template, a decoder: "User: …", "Assistant: …" paragraphs, and the tokenizer's own special tokens

A partial candidate, the beginning of an answer, is rendered without what ends a turn: `chat` leaves out all that the
template writes after the content, `plain` an end-of-text token. `pair` has nothing that ends a turn: its last separator
is how an encoder knows its segments.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from rewardserve.scorer import Message

SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool", "function": "Tool"}


def turns_of(messages: Sequence[Message], *, system: Literal["keep", "drop"]) -> list[Message]:
    """The turns a reward model is shown: OpenAI's `developer` is the templates' `system`."""
    turns = [Message("system", m.content) if m.role == "developer" else m for m in messages]
    return [turn for turn in turns if system == "keep" or turn.role != "system"]


def chat_of(turns: Sequence[Message], candidate: str) -> list[dict[str, str]]:
    """The conversation that a chat template renders, with the candidate as the assistant's next turn."""
    spoken = [*turns, Message("assistant", candidate)]
    return [{"role": turn.role, "content": turn.content} for turn in spoken]


def pair_of(turns: Sequence[Message], candidate: str) -> tuple[str, str]:
    """The two segments that a template-less encoder reads."""
    if len(turns) == 1:
        return turns[0].content, candidate
    return plain_of(turns), candidate


def plain_of(turns: Iterable[Message]) -> str:
    """The conversation as paragraphs, for models that define no format of their own."""
    return "\n\n".join(f"{SPEAKERS.get(turn.role, turn.role.title())}: {turn.content}" for turn in turns)


class Disarm:
    """Breaks special tokens that stand in text, so that no candidate can forge a turn or an end of text."""

    def __init__(self, special_tokens: Iterable[str]) -> None:
        # Longest first, so that a token which contains another is broken as itself.
        marks = sorted({token for token in special_tokens if len(token) > 1}, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, marks))) if marks else None

    def __call__(self, text: str) -> str:
        """The text with a space after the first character of every special token in it."""
        if self._special is None:
            return text
        return self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
