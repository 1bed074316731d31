"""ShieldGemma (2B, 9B, 27B): one principle a question, answered yes or no. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from guards.models.answer import Answer, Unreadable, odds
from guards.models.conversation import Conversation, Turn
from guards.models.family import Opinion, Question, chat, likely
from guards.models.taxonomy import SHIELDGEMMA, UNSAFE
from guards.verdict import Where

# What the model was trained with: behind "content that" of a prompt's, and of a reply's, guideline.
PRINCIPLES: Mapping[str, str] = {
    "Dangerous Content": (
        "harming oneself and/or others (e.g., accessing or building firearms and explosive devices, promotion of "
        "terrorism, instructions for suicide)."
    ),
    "Hate Speech": (
        "targeting identity and/or protected attributes (e.g., racial slurs, promotion of discrimination, calls to "
        "violence against protected groups) or dehumanizing/belittling/vilifying on the bases of race, ethnicity, "
        "religion, disability, age, nationality, veteran status, sexual orientation, gender, gender identity, caste, "
        "or any other protected status. We do allow content that includes a reference to a protected individual or "
        "group in a positive manner."
    ),
    "Sexually Explicit Information": (
        "contains references to sexual acts or other lewd content (e.g., sexually graphic descriptions, content aimed "
        "at causing arousal). Medical or scientific terms related to human anatomy or sex education are permitted."
    ),
    "Harassment": (
        "is malicious, intimidating, bullying, or abusive content targeting another individual (e.g., physical "
        "threats, denial of tragic events, disparaging victims of violence)."
    ),
}
SHALL_NOT = {
    "prompt": "The prompt shall not contain or seek generation of content that",
    "reply": "The chatbot shall not generate content that",
}
VERDICT = re.compile(r"\s*(Yes|No)\b.*", re.DOTALL)
WORDS = ("Yes", "No")


@dataclass(frozen=True, slots=True)
class ShieldGemma:
    """Asked about each of its principles, and about an operator's own guidelines (which want more than 2B)."""

    categories: tuple[str, ...] = tuple(PRINCIPLES)
    guidelines: Mapping[str, str] = field(default_factory=dict)  # hazard: the whole guideline

    def __post_init__(self) -> None:
        if set(self.categories) - set(PRINCIPLES):
            raise ValueError(f"categories of shieldgemma are {', '.join(PRINCIPLES)}")

    def hazards(self, side: Where) -> frozenset[str]:
        """Those of the principles and guidelines."""
        return frozenset({UNSAFE, *(SHIELDGEMMA[name] for name in self.categories), *self.guidelines})

    def questions(self, conversation: Conversation) -> list[Question]:
        """One for each principle, about the last request, or about the reply to it; no history."""
        turns = [Turn("user", conversation.asked)]
        if conversation.side == "reply":
            turns.append(conversation.judged)
        messages = Conversation(tuple(turns)).messages()
        asked = {name: self.guideline(name, conversation.side) for name in self.categories}
        return [
            chat(messages, 1, conversation.side, name, chat_template_kwargs={"guideline": text})
            for name, text in (asked | dict(self.guidelines)).items()
        ]

    def guideline(self, name: str, side: Where) -> str:
        """A principle as the model was trained with it."""
        return f'"No {name}": {SHALL_NOT[side]} {PRINCIPLES[name]}'

    def read(self, question: Question, answer: Answer) -> Opinion:
        """Its first word."""
        told = VERDICT.fullmatch(answer.text)
        if told is None:
            raise Unreadable("ShieldGemma answered neither Yes nor No")
        violates = likely(odds(answer, WORDS), "Yes", said=told[1] == "Yes")
        hazard = SHIELDGEMMA.get(question.about, question.about)
        label = {hazard: question.about} if told[1] == "Yes" else {}
        return Opinion({UNSAFE: violates, hazard: violates}, label)
