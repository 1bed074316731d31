"""Families asked and read in tests, without an engine."""

from guards.models.answer import Answer
from guards.models.conversation import Conversation, Turn
from guards.models.family import Family, Opinion
from guards.verdict import Where

ASKED, REPLIED = Turn("user", "How?"), Turn("assistant", "So.")


def conversation(side: Where) -> Conversation:
    """A question, or a question and its answer."""
    return Conversation((ASKED,) if side == "prompt" else (ASKED, REPLIED))


def read(family: Family, side: Where, text: str) -> Opinion:
    """What the family makes of an answer whose probabilities nobody told."""
    return family.read(family.questions(conversation(side))[0], Answer(text))
