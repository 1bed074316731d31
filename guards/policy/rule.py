"""One guard of a policy: what it reads, what its findings lead to, what its failure means, and whom it asks."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from guards.policy.strict import Hazard, Strict
from guards.verdict import SIDE_OF_DIRECTION, Action, Direction, Verdict, Where

ActionWord = Literal["allow", "flag", "redact", "revise", "refuse", "escalate"]


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

    def doubts(self, hazard: str, probability: float) -> bool:
        """Whether what was said of one hazard is in doubt: it is the one meant, if one is, and not beyond the band."""
        return probability <= self.high and self.hazard in {None, hazard}


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
    turns: Literal["last", "all"] | None = (
        None  # of a prompt; None: all where something is cut out, else the last
    )
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

    @property
    def reads_all_turns(self) -> bool:
        """Whether it reads what was said before the user's last turn, each time that it is sent again."""
        if self.turns is not None:
            return self.turns == "all"
        return any(one.does is Action.REDACT for several in self.hazards.values() for one in several)

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
