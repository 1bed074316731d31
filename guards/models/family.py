"""What a family of guard models must know: how it is asked, and how its answer is read. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from guards.models.answer import Answer, Odds
from guards.models.conversation import Conversation
from guards.verdict import Where

LIKELIEST = 20  # tokens of which an engine tells the probability, at each step


@dataclass(frozen=True, slots=True)
class Question:
    """One request to an engine, all but the model's name."""

    route: Literal["/chat/completions", "/completions"]
    body: Mapping[str, Any]
    about: str = ""  # what in particular is asked, where a family asks about one thing at a time
    side: Where = "prompt"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one answer says: a probability per hazard, and the model's own words for what it found."""

    scores: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)  # by hazard


class Family(Protocol):
    """One family; its options are the fields of a dataclass that checks them when it is made."""

    def hazards(self, side: Where) -> frozenset[str]:
        """What it can report on that side."""
        ...

    def questions(self, conversation: Conversation) -> Sequence[Question]:
        """What is asked about the last turn; every answer is heard, and the worst of them counts."""
        ...

    def read(self, question: Question, answer: Answer) -> Opinion:
        """The opinion in an answer; raises Unreadable for one that the model does not give."""
        ...


def chat(
    messages: Sequence[Mapping[str, Any]], most_tokens: int, side: Where, about: str = "", **more: Any
) -> Question:
    """A question by way of the model's own chat template."""
    body = {
        "messages": list(messages),
        "max_tokens": most_tokens,
        "temperature": 0,
        "seed": 0,
        "logprobs": True,
        "top_logprobs": LIKELIEST,
    }
    return Question("/chat/completions", body | more, about, side)


def raw(prompt: str, most_tokens: int, side: Where, **more: Any) -> Question:
    """A question whose every character is written here."""
    body = {
        "prompt": prompt,
        "max_tokens": most_tokens,
        "temperature": 0,
        "seed": 0,
        "logprobs": LIKELIEST,
    }
    return Question("/completions", body | more, "", side)


def worst(opinions: Sequence[Opinion]) -> Opinion:
    """For each hazard the highest probability of any opinion, and the words that came with it."""
    scores: dict[str, float] = {}
    labels: dict[str, str] = {}
    for opinion in opinions:
        for hazard, score in opinion.scores.items():
            if score >= scores.get(hazard, 0.0):
                scores[hazard] = score
                if hazard in opinion.labels:
                    labels[hazard] = opinion.labels[hazard]
    return Opinion(scores, labels)


def average(opinions: Sequence[Opinion]) -> Opinion:
    """Of several samples of one answer, the share that found each hazard."""
    if len(opinions) == 1:
        return opinions[0]
    hazards = {hazard for opinion in opinions for hazard in opinion.scores}
    scores = {
        hazard: sum(opinion.scores.get(hazard, 0.0) for opinion in opinions) / len(opinions)
        for hazard in hazards
    }
    return Opinion(scores, worst(opinions).labels)


def likely(measured: Odds | None, word: str, *, said: bool) -> float:
    """The probability of a word: as the engine tells it, or certainty for what was said where it tells none."""
    return measured.shares[word] if measured is not None else float(said)
