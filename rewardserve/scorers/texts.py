"""Conversations with candidates as token ids, by a tokenizer alone: for models that run somewhere else."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import TemplateError
from transformers import AutoTokenizer

from rewardserve.errors import BadInput, ModelUnusable, TooLong
from rewardserve.render import Disarm, chat_of, plain_of, turns_of
from rewardserve.scorer import Message, ModelSpec
from rewardserve.scorers.checkpoint import first_line, template_of
from rewardserve.scorers.transformers import special_tokens


@dataclass(frozen=True, slots=True)
class Text:
    """A conversation with one candidate, as token ids."""

    ids: tuple[int, ...]
    conversation: int  # the same in every process: whoever has it begins alike

    @property
    def tokens(self) -> int:
        """Its length, special tokens included."""
        return len(self.ids)


class Texts:
    """A tokenizer with its chat template; without one, turns are written as paragraphs."""

    def __init__(self, tokenizer: Any, spec: ModelSpec) -> None:
        self.tokenizer = tokenizer
        self._disarm = Disarm(special_tokens(tokenizer))
        self._system: Literal["keep", "drop"] = spec.system_messages

    def turns(self, messages: Sequence[Message]) -> list[Message]:
        """The turns as the model is shown them, unable to forge a control token."""
        return turns_of([Message(m.role, self._disarm(m.content)) for m in messages], system=self._system)

    def of(self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool) -> list[Text]:
        """One text per candidate; `partial` ones have no end of turn. Raises BadInput."""
        turns = self.turns(messages)
        conversation = zlib.crc32(repr(turns).encode())
        return [
            Text(tuple(self._ids(turns, self._disarm(candidate), partial=partial)), conversation)
            for candidate in candidates
        ]

    def disarmed(self, text: str) -> str:
        """The text with every control token in it broken."""
        return self._disarm(text)

    def render(self, chat: list[dict[str, str]], **how: bool) -> str:
        """What the chat template makes of it; raises BadInput naming `messages`."""
        try:
            text: str = self.tokenizer.apply_chat_template(chat, tokenize=False, **how)
        except (TemplateError, ValueError) as error:
            raise BadInput(
                f"the model's chat template refuses this conversation: {error}", param="messages"
            ) from error
        return text

    def _ids(self, turns: list[Message], candidate: str, *, partial: bool) -> list[int]:
        if self.tokenizer.chat_template:
            text = self.render(chat_of(turns, candidate), continue_final_message=partial)
            # The template writes every special token itself, the BOS included.
            ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            return ids
        plain: list[int] = self.tokenizer(plain_of([*turns, Message("assistant", candidate)]))["input_ids"]
        return plain


def load_tokenizer(spec: ModelSpec) -> Any:
    """The tokenizer that `spec.model` names, with the chat template asked for; raises ModelUnusable."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(spec.model, trust_remote_code=spec.trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelUnusable(f"no tokenizer can be loaded from {spec.model}: {first_line(error)}") from error
    if spec.chat_template is not None:
        tokenizer.chat_template = template_of(spec.chat_template)
    return tokenizer


def refuse_too_long(texts: Sequence[Text], most: int) -> None:
    """Raise TooLong, naming the first candidate that the model cannot read whole."""
    for number, text in enumerate(texts):
        if text.tokens > most:
            raise TooLong(
                f"the conversation with this candidate is {text.tokens} tokens; the reward model reads "
                f"at most {most}. Nothing is cut: send less",
                param=f"candidates[{number}]",
            )
