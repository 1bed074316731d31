"""What an engine answered, and how sure it was of the word that decides. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guards.verdict import GuardFailed

ABSENT_NATS = 2.0  # a word among none of the likeliest is taken for so much less likely than the last of them
RAREST = 1e-6
LEAST_COVERAGE = (
    0.5  # of the probability, by all words that could decide; with less, the answer is none of them
)
AROUND_WORDS = " \t\r\n\"'`*.,:;Ġ▁"
SHORTEST_PIECE = 2  # letters of a word's first token


class Unreadable(GuardFailed):
    """A guard model's answer is none of those that its kind gives: no verdict, and certainly not a safe one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One token as it was sampled, and the likeliest at its place with their log-probabilities."""

    token: str
    likeliest: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """One sampled answer; without steps where the engine tells no probabilities."""

    text: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Odds:
    """The share of each word at the step that decides, and how much of all probability they have together."""

    shares: Mapping[str, float]
    coverage: float


def after_thought(text: str) -> str:
    """What an answer says behind the model's reasoning, which is no part of the verdict."""
    return text.rpartition("</think>")[2].strip()


def answers_of(body: Any) -> list[Answer]:
    """The answers in a body of either completions route; raises GuardFailed for what is none."""
    try:
        found = [_answer(choice) for choice in body["choices"]]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise GuardFailed("the engine's answer is not a completion") from error
    if not found:
        raise GuardFailed("the engine's answer holds no choice")
    return found


def _answer(choice: Any) -> Answer:
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise TypeError
    told = choice.get("logprobs") or {}
    if told.get("content"):
        return Answer(text, tuple(map(_chat_step, told["content"])))
    if told.get("tokens") and told.get("top_logprobs"):
        return Answer(text, tuple(_text_steps(told)))
    return Answer(text)


def _chat_step(told: Any) -> Step:
    pairs = [(each["token"], each["logprob"]) for each in told.get("top_logprobs") or ()]
    return _step(told["token"], told["logprob"], pairs)


def _text_steps(told: Any) -> Iterable[Step]:
    for token, own, top in zip(told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True):
        yield _step(token, own, (top or {}).items())


def _step(token: Any, own: Any, pairs: Iterable[tuple[Any, Any]]) -> Step:
    likeliest = {str(each): float(logprob) for each, logprob in pairs}
    likeliest.setdefault(str(token), float(own))
    if any(math.isnan(logprob) for logprob in likeliest.values()):
        raise ValueError
    return Step(str(token), likeliest)


def odds(answer: Answer, words: Sequence[str], after: str = "") -> Odds | None:
    """How likely each word was at the first step, behind `after`, whose token is one of them; None without steps.

    A token counts for a word that it is, or begins: words may be cut into several. Where none of those that were
    sampled is one, or most of the probability went elsewhere, the answer is unreadable.
    """
    if not answer.steps:
        return None
    step = _decisive(answer.steps, words, after)
    if step is None:
        raise Unreadable("its answer holds none of the words that decide")
    masses = dict.fromkeys(words, 0.0)
    for token, logprob in step.likeliest.items():
        word = word_of(token, words)
        if word is not None:
            masses[word] += math.exp(logprob)
    least = _least(step)
    masses = {word: mass or least for word, mass in masses.items()}
    coverage = sum(masses.values())
    if coverage < LEAST_COVERAGE:
        raise Unreadable("it was about to say something that is no verdict")
    return Odds({word: mass / coverage for word, mass in masses.items()}, min(coverage, 1.0))


def _least(step: Step) -> float:
    """What a word is taken to weigh that is not among the likeliest."""
    if len(step.likeliest) == 1:  # the engine tells no others: what is left is all that it can have
        return max(1 - math.exp(*step.likeliest.values()), RAREST)
    return math.exp(min(step.likeliest.values()) - ABSENT_NATS)


def _decisive(steps: Sequence[Step], words: Sequence[str], after: str) -> Step | None:
    said = "".join(step.token for step in steps)
    begins = said.rfind(after) + len(after) if after and after in said else 0
    end = 0
    for step in steps:
        end += len(step.token)
        if end > begins and word_of(step.token, words) is not None:
            return step
    return None


def word_of(token: str, words: Sequence[str]) -> str | None:
    """The word that a token is, or that it alone begins."""
    said = token.strip(AROUND_WORDS).lower()
    if not said:
        return None
    whole = [word for word in words if word.lower() == said]
    begun = [word for word in words if len(said) >= SHORTEST_PIECE and word.lower().startswith(said)]
    found = whole or begun
    return found[0] if len(found) == 1 else None
