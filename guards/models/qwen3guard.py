"""Qwen3Guard-Gen (0.6B, 4B, 8B): safe, controversial or unsafe, in 119 languages. Pure."""

import re
from dataclasses import dataclass

from guards.models.answer import Answer, Odds, Unreadable, after_thought, odds
from guards.models.conversation import Conversation
from guards.models.family import Opinion, Question, chat, likely
from guards.models.taxonomy import QWEN3GUARD, UNSAFE, found
from guards.verdict import Where

MOST_TOKENS = 64
MODES = ("strict", "loose")
VERDICT = re.compile(
    r"Safety: (?P<safety>Safe|Unsafe|Controversial)[ ]*\nCategories: (?P<categories>[^\n]+)"
    r"(?:\nRefusal: (?P<refusal>Yes|No))?[ ]*"
)
WORDS = ("Safe", "Unsafe", "Controversial")


@dataclass(frozen=True, slots=True)
class Qwen3Guard:
    """Strict takes what is controversial for unsafe, loose for safe."""

    mode: str = "strict"
    refusal_hazard: str | None = None  # under which a reply that declines is reported, if at all

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError("mode must be strict (controversial counts as unsafe) or loose (as safe)")

    def hazards(self, side: Where) -> frozenset[str]:
        """All of its categories; jailbreaks in prompts alone, refusals in replies alone."""
        known = frozenset({UNSAFE, *QWEN3GUARD.values()})
        if side == "prompt":
            return known
        return (known - {"G.jailbreak"}) | ({self.refusal_hazard} if self.refusal_hazard else set())

    def questions(self, conversation: Conversation) -> list[Question]:
        """One: its template asks about the last turn, by who said it."""
        return [chat(conversation.messages(), MOST_TOKENS, conversation.side)]

    def read(self, question: Question, answer: Answer) -> Opinion:
        """Two lines, three for a reply; anything else, or a contradiction, is unreadable."""
        told = VERDICT.fullmatch(after_thought(answer.text))
        if told is None:
            raise Unreadable("Qwen3Guard's answer has not the lines that its verdicts have")
        names = [name.strip() for name in told["categories"].split(",")]
        names = [] if names == ["None"] else names
        if names and told["safety"] == "Safe":
            raise Unreadable("Qwen3Guard called it safe and named a category")
        measured = odds(answer, WORDS, "Safety:")
        labels = {QWEN3GUARD.get(name, UNSAFE): known_name(name) for name in names}
        opinion = found(labels, self.probability(measured, told["safety"]))
        if question.side == "reply" and self.refusal_hazard and told["refusal"]:
            declined = odds(answer, ("Yes", "No"), "Refusal:")
            said = told["refusal"] == "Yes"
            opinion[self.refusal_hazard] = likely(declined, "Yes", said=said)
        return Opinion(opinion, labels)

    def probability(self, measured: Odds | None, said: str) -> float:
        """How likely it is unsafe, as the mode means it."""
        words = ("Unsafe", "Controversial") if self.mode == "strict" else ("Unsafe",)
        return min(1.0, sum(likely(measured, word, said=said == word) for word in words))


def known_name(name: str) -> str:
    """A category's name where it is one: what the model makes up may quote the text."""
    return name if name in QWEN3GUARD else "unknown"
