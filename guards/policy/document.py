"""The guard policy as its author writes it; a value that is not understood is refused, never guessed."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from guards.expression import compiled
from guards.hazards import HAZARDS
from guards.vault import told_apart
from guards.verdict import SIDE_OF_DIRECTION, Action, Direction, Verdict, Where

OWN_HAZARD = re.compile(r"X\.[a-z][a-z0-9_]{0,39}")
UnscannedWord = Literal["refuse", "flag", "allow"]
ActionWord = Literal["allow", "flag", "redact", "revise", "refuse", "escalate"]
LANGUAGE = re.compile(r"[a-z]{2}")  # ISO 639-1


def known_hazard(hazard: str) -> str:
    """The id itself when it is one of ours, an operator's own `X.…`, or `*` for all that a guard reports."""
    if hazard == "*" or hazard in HAZARDS or OWN_HAZARD.fullmatch(hazard):
        return hazard
    raise ValueError(f"unknown hazard; known are {', '.join(HAZARDS)}, and X.your_own_name")


Hazard = Annotated[str, AfterValidator(known_hazard)]


class Strict(BaseModel):
    """A part of the document: unknown keys are refused, and nothing changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Template = Annotated[str, Field(max_length=60), AfterValidator(told_apart)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000)]


class Refusal(Strict):
    """What a client sees in place of what was refused."""

    # refuse: 200 and a polite message; error: 400 in OpenAI's shape
    shape: Annotated[Literal["refuse", "error"], Field(alias="as")] = "refuse"
    text: Sentence = "I can't help with that."
    texts: dict[Annotated[str, Field(pattern=LANGUAGE.pattern)], Sentence] = Field(default_factory=dict)

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


class Bounds(Strict):
    """What a key under this policy may ask for in the `alignment` request field."""

    max_n: Annotated[int, Field(ge=1, le=256)] = 16
    max_deadline_ms: Annotated[int, Field(ge=1)] = 30_000


class Response(Strict):
    """What follows when a hazard's probability reaches the threshold."""

    action: ActionWord
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    reversible: bool = False  # of a prompt: the value is put back where the answer names its placeholder

    @model_validator(mode="after")
    def reverses_a_redaction(self) -> Self:
        """Refuses to undo what changes nothing."""
        if self.reversible and self.action != "redact":
            raise ValueError("reversible belongs to the action redact")
        return self

    @property
    def does(self) -> Action:
        """The action as screening reckons with it."""
        return Action[self.action.upper()]


def as_several(said: Any) -> Any:
    """A single response as the list that it may also be written as."""
    return [said] if isinstance(said, dict) else said


Responses = Annotated[tuple[Response, ...], BeforeValidator(as_several), Field(min_length=1)]


class Unsure(Strict):
    """Where a guard is not sure of itself, and whom it then asks: what that one says stands in its place."""

    ask: str = Field(min_length=1)
    low: Annotated[float, Field(alias="from", ge=0, le=1)]
    high: Annotated[float, Field(alias="to", ge=0, le=1)]
    hazard: Hazard | None = None  # whose probability is meant; the likeliest one's if none is named

    @model_validator(mode="after")
    def a_band(self) -> Self:
        """Refuses a band that holds nothing."""
        if self.low >= self.high:
            raise ValueError("from must be less than to")
        return self

    def about(self, verdict: Verdict) -> bool:
        """Whether the verdict lies within the band, its ends included."""
        scores = verdict.scores
        probability = verdict.probability if self.hazard is None else scores.get(self.hazard, 0.0)
        return self.low <= probability <= self.high


class Breaker(Strict):
    """When a guard that asks somebody else is given a rest: then it fails at once, as `on_error` says."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5  # one after the other
    rest_ms: Annotated[int, Field(ge=1, le=3_600_000)] = 10_000


class Rule(Strict):
    """One guard of the policy: what it looks at, what its findings lead to, and what its failure means."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    kind: str = Field(min_length=1)
    where: tuple[Direction, ...] = Field(min_length=1)
    skip_parts: tuple[str, ...] = ()
    on_error: Literal["closed", "open"]
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 1000
    hazards: dict[Hazard, Responses] = Field(min_length=1)
    unsure: Unsure | None = None
    breaker: Breaker = Breaker()
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("where")
    @classmethod
    def once_each(cls, where: tuple[Direction, ...]) -> tuple[Direction, ...]:
        """Refuses a direction named twice, by itself or by the side that it is a part of."""
        if len(set(where)) != len(where):
            raise ValueError("names a direction twice")
        for each in where:
            if (side := SIDE_OF_DIRECTION[each]) != each and side in where:
                raise ValueError(f"{side} holds {each} already; keep one of them")
        return where

    @model_validator(mode="after")
    def delivers_only_scanned(self) -> Self:
        """Refuses to leave parts of a reply unread: what is not screened is not delivered."""
        if self.skip_parts and "reply" in self.sides:
            raise ValueError("skip_parts is for prompts only: every part of a reply is screened")
        return self

    @model_validator(mode="after")
    def reverses_prompts(self) -> Self:
        """Refuses to put back what a model has said: only the client's own values are known."""
        if "prompt" not in self.sides and any(
            one.reversible for told in self.hazards.values() for one in told
        ):
            raise ValueError("reversible is for what is cut out of prompts, and this guard reads none")
        return self

    @property
    def sides(self) -> frozenset[Where]:
        """The sides of the exchange on which it reads anything."""
        return frozenset(SIDE_OF_DIRECTION[each] for each in self.where)

    def responses(self, hazard: str) -> tuple[Response, ...]:
        """What the rule says of a hazard: its own entry, else the one for `*`."""
        return self.hazards.get(hazard) or self.hazards.get("*") or ()

    def answer(self, hazard: str, probability: float) -> Action:
        """The strictest action whose threshold the probability reaches."""
        strictest = Action.ALLOW
        for one in self.responses(hazard):
            if probability >= one.threshold and one.does > strictest:
                strictest = one.does
        return strictest

    def undone(self, hazard: str, probability: float) -> bool:
        """Whether a redaction of this hazard is one that the answer undoes; each that applies must say so."""
        reached = [
            one
            for one in self.responses(hazard)
            if one.does is Action.REDACT and probability >= one.threshold
        ]
        return bool(reached) and all(one.reversible for one in reached)

    @property
    def when_failing(self) -> Action:
        """What a failure of this guard leads to: refusal when closed, a flagged pass when open."""
        return Action.REFUSE if self.on_error == "closed" else Action.FLAG


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
