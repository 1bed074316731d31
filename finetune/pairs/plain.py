"""Conversations as plain text: turns that have a role and one string, and nothing else.

Chat templates, reward models and the trainer's columns want them so. Clients write the same words as a string
or as a list of parts, and may add fields of any type: one odd message among the kept pairs would otherwise
fail every training from then on, or be rendered as no text at all. Pure.
"""

from collections.abc import Sequence
from typing import Any

from finetune.pairs.pair import Message

# Beside role and content: what chat templates leave out of earlier turns anyway.
UNSAID = frozenset({"name", "reasoning", "reasoning_content"})
TEXT_FIELDS = {"text": "text", "input_text": "text", "refusal": "refusal"}  # of a part, by its type
PLAIN_FIELDS = {"role", "content"}
CALLED = frozenset({"tool", "function"})  # roles that answer a call


def plainly(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with their parts joined to text; what says more than text keeps what it says."""
    return tuple(map(plain_message, messages))


def plain_message(message: Message) -> Message:
    """One message: `content` as a string where that is possible, and no field that says nothing."""
    rest = {name: value for name, value in message.items() if value and name not in UNSAID | PLAIN_FIELDS}
    text = joined(message.get("content"))
    return {"role": message.get("role"), "content": message.get("content") if text is None else text, **rest}


def joined(content: Any) -> str | None:
    """The text of a content, its parts line by line; None where a part is not text."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = [text_of(part) for part in content] if isinstance(content, list) else [None]
    return "\n".join(text for text in texts if text is not None) if None not in texts else None


def text_of(part: Any) -> str | None:
    """The text of a part, if it is one of text."""
    field = TEXT_FIELDS.get(str(part.get("type", "text"))) if isinstance(part, dict) else None
    text = part.get(field) if field else None
    return text if isinstance(text, str) else None


def is_plain(messages: Sequence[Message]) -> bool:
    """Whether role and text say all that the messages say: no tool is called, no part is a picture."""
    return all(
        message.keys() == PLAIN_FIELDS
        and isinstance(message["content"], str)
        and isinstance(message["role"], str)
        and message["role"] not in CALLED
        for message in messages
    )
