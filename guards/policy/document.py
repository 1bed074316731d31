"""The guard policy as its author writes it; a value that is not understood is refused, never guessed."""

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    WithJsonSchema,
    field_validator,
)

from guards.expression import compiled
from guards.language import known_languages
from guards.policy.rule import ActionWord, Rule
from guards.policy.strict import Hazard, Sentence, Strict
from guards.vault import told_apart
from guards.verdict import Action, Direction

StrategyName = Literal[
    "single",
    "best_of_n",
    "soft_best_of_n",
    "best_of_poisson",
    "pessimism",
    "majority",
    "self_certainty",
    "adaptive",
    "speculative_rejection",
    "blockwise",
]
UnscannedWord = Literal["refuse", "flag", "allow"]


def told_language(code: str) -> str:
    """The ISO 639-1 code of a language that requests can be told to be in."""
    known = known_languages()
    if code in known:
        return code
    raise ValueError(
        "is not the ISO 639-1 code, such as de, of a language in which a request can be told to be, so its text would "
        f"never be used; those are {', '.join(sorted(known))}"
    )


Language = Annotated[
    str, AfterValidator(told_language), WithJsonSchema({"type": "string", "pattern": "^[a-z]{2}$"})
]
Template = Annotated[str, Field(max_length=60), AfterValidator(told_apart)]


class Refusal(Strict):
    """What a client sees in place of what was refused."""

    # refuse: 200 and a polite message; error: 400 in OpenAI's shape
    shape: Annotated[Literal["refuse", "error"], Field(alias="as")] = "refuse"
    text: Sentence = "I can't help with that."
    texts: dict[Language, Sentence] = Field(default_factory=dict)

    def text_in(self, language: str | None) -> str:
        """The text in a language by its ISO 639-1 code, or the one for all others."""
        return self.texts.get(language or "", self.text)


class Stream(Strict):
    """How much of a stream is held back until it has been screened; lengths in characters."""

    hold_back_chars: Annotated[int, Field(ge=0, le=16_384)] = 128
    overlap_chars: Annotated[int, Field(ge=0, le=65_536)] = 1024


class Unscanned(Strict):
    """What a part means that no guard reads; a kind that is not named follows the default."""

    default: UnscannedWord = "refuse"
    image: UnscannedWord | None = None
    audio: UnscannedWord | None = None
    video: UnscannedWord | None = None
    file: UnscannedWord | None = None

    def answer(self, kind: str) -> Action:
        """What follows from a part of this kind."""
        return Action[(getattr(self, kind, None) or self.default).upper()]


Weight = Annotated[float, Field(ge=0.0, le=1.0)]
Head = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def _rising(weights: tuple[float, float]) -> tuple[float, float]:
    if weights[0] > weights[1]:
        raise ValueError("must be the least and the most that it may weigh, in this order")
    return weights


WeightRange = Annotated[tuple[Weight, Weight], AfterValidator(_rising)]


class Bounds(Strict):
    """What a key under this policy may ask for in the `alignment` request field."""

    max_n: Annotated[int, Field(ge=1, le=256)] = 16
    max_deadline_ms: Annotated[int, Field(ge=1)] = 30_000
    strategies: Annotated[tuple[StrategyName, ...], Field(min_length=1)] | None = None  # None: every one
    # The least and the most that a dial may weigh a reward head, of those that the reward model has; any other
    # may weigh 0 to 1. One that a dial leaves out weighs the least.
    dial: dict[Head, WeightRange] = Field(default_factory=lambda: {"safety": (0.5, 1.0)})

    def weights(self, head: str) -> tuple[float, float]:
        """The least and the most that a head may weigh."""
        return self.dial.get(head, (0.0, 1.0))


class Revision(Strict):
    """How the policy model mends a reply that may not pass as it is: by which principles, and how often it tries."""

    principles: Annotated[tuple[Sentence, ...], Field(min_length=1, max_length=20)]
    rounds: Annotated[int, Field(ge=1, le=4)] = 1
    # A streamed reply is answered whole before it leaves, or what would be revised is refused there.
    streams: Literal["whole", "refuse"] = "whole"


class Addition(Strict):
    """The policy's own words, added to every reply that does not say them already."""

    text: Sentence
    unless: str = ""  # a regular expression in RE2's syntax; a reply in which it matches needs no addition

    @field_validator("unless")
    @classmethod
    def usable(cls, expression: str) -> str:
        """Refuses what RE2 does not compile."""
        compiled(expression)
        return expression

    def wanted(self, reply: str) -> bool:
        """Whether the reply needs it."""
        return not self.unless or compiled(self.unless).search(reply) is None


class Case(Strict):
    """A text and what the policy must make of it, or else it is not accepted."""

    text: Annotated[str, Field(min_length=1, max_length=100_000)]
    where: Direction = "prompt"
    asked: str = ""  # the request, where the text is of a reply
    tool: str = ""  # the name of what is called, where the text is a tool call's arguments
    expect: ActionWord
    hazard: Hazard | None = None  # one that must have been found
    delivered: str | None = None  # the text as it must leave


class Document(Strict):
    """A whole guard policy."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")
    version: int = Field(ge=1)
    description: str = ""
    extends: str | tuple[str, ...] = ()  # what was taken over is merged in before this is read
    without: tuple[str, ...] = ()
    refusal: Refusal = Refusal()
    redaction: Annotated[str, Field(max_length=100)] = "[{label} removed]"
    placeholder: Template = "[{label}-{id}]"  # of a reversible redaction
    stream: Stream = Stream()
    unscanned: Unscanned = Unscanned()
    bounds: Bounds = Bounds()
    revision: Revision | None = None
    additions: Annotated[tuple[Addition, ...], Field(max_length=10)] = ()
    deadline_ms: Annotated[int, Field(ge=1, le=600_000)] = 2000
    guards: tuple[Rule, ...] = ()
    cases: tuple[Case, ...] = ()

    @field_validator("guards")
    @classmethod
    def distinct(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Refuses two guards of one id, since findings are told apart by it."""
        ids = [rule.id for rule in rules]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"two guards are called {', '.join(twice)}")
        return rules

    @field_validator("redaction")
    @classmethod
    def fillable(cls, template: str) -> str:
        """Refuses a placeholder that could break JSON, or that names anything but {label} and {hazard}."""
        if re.search(r'[{}"\\\n\r]', re.sub(r"\{(label|hazard)\}", "", template)):
            raise ValueError(
                "may hold {label} and {hazard}, but no other brace, quote, backslash or line break"
            )
        return template
