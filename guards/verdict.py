"""The words of screening: what a guard is given, what it returns, and what a policy makes of it.

A verdict is a value; a failure is an exception. A guard that finds something never raises, and a guard that
cannot decide never returns:

    GuardsError
    ├── PolicyRefused          a policy document that must not be enforced; says where and what to do
    └── GuardFailed            a guard could not decide; the policy's `on_error` says what that means
        ├── GuardTimedOut      it had not answered within its own time
        └── GuardUnavailable   its model or service cannot be reached
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import Literal, Protocol, runtime_checkable

from guards.work import Work

Where = Literal["prompt", "reply"]
Direction = Literal["prompt", "tool_result", "reply", "tool_call", "reasoning"]
SIDE_OF_DIRECTION: Mapping[Direction, Where] = {
    "prompt": "prompt",
    "tool_result": "prompt",
    "reply": "reply",
    "tool_call": "reply",
    "reasoning": "reply",
}
# What a text of a direction is a part of, where nothing more particular is known.
PART_OF_DIRECTION: Mapping[Direction, str] = {
    "prompt": "content",
    "tool_result": "tool_result",
    "reply": "content",
    "tool_call": "tool_arguments",
    "reasoning": "reasoning",
}
# Parts that are a direction of their own; all other parts belong to their side alone.
DIRECTION_OF_PART: Mapping[tuple[Where, str], Direction] = {
    ("prompt", "tool_result"): "tool_result",
    ("reply", "tool_arguments"): "tool_call",
    ("reply", "tool_name"): "tool_call",
    ("reply", "reasoning"): "reasoning",
}
MOST_DIGESTS = 64  # kept with a conversation: of what guards read beside a segment there is little


class Action(IntEnum):
    """What the policy does with a verdict; the larger is the stricter, and the strictest wins."""

    ALLOW = 0
    FLAG = 1
    REDACT = 2
    REVISE = 3
    REFUSE = 4
    ESCALATE = 5

    @property
    def word(self) -> str:
        """The action as policies, the ledger and metrics spell it."""
        return self.name.lower()

    @property
    def withholds(self) -> bool:
        """Whether the screened text may not be delivered as it stands or redacted."""
        return self >= Action.REVISE


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the segment's own text, and the hazard found there."""

    start: int
    end: int
    hazard: str
    label: str = ""
    view: str = "raw"  # the derived text it was found in, as a path: raw>visible>base64


@dataclass(frozen=True, slots=True)
class Redaction:
    """Characters [start, end) of a segment's own text, and what is to stand in their place."""

    start: int
    end: int
    text: str
    label: str = ""  # what was found there
    reversible: bool = False  # whether the policy wants it put back into the answer


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of text to screen, and where it stands in the exchange."""

    text: str
    where: Where
    part: str = "content"  # content, reasoning, refusal, tool_arguments, system, tool_result …
    call: str = ""  # of a tool call's name or arguments: the name of what is called
    whole: bool = True  # whether it is all of the text; else a piece of a stream, of which more may come
    turns_ago: int = 0  # of a prompt's text: how often the user has spoken since
    earlier: tuple[str, ...] = ()  # what the same side said before it and that may be read together with it

    @property
    def direction(self) -> Direction:
        """What kind of text it is to a policy: its part where that is a direction of its own, else its side."""
        return DIRECTION_OF_PART.get((self.where, self.part), self.where)


@dataclass(frozen=True, slots=True)
class Context:
    """What a guard may know beside the segment: the conversation so far, as (role, text) turns."""

    turns: tuple[tuple[str, str], ...] = ()
    tools: frozenset[str] = frozenset()  # the names of those that the request lets the model call
    work: Work = field(default_factory=Work, compare=False, repr=False)
    digests: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    @property
    def request(self) -> str:
        """What the user said last."""
        return next((text for role, text in reversed(self.turns) if role == "user"), "")

    def digest_of(self, text: str) -> bytes:
        """32 bytes that stand for one of its texts; taken once, since every piece of a stream asks again."""
        known = self.digests.get(text)
        if known is None:
            known = blake2b(text.encode(errors="surrogatepass"), digest_size=32).digest()
            if len(self.digests) < MOST_DIGESTS:
                self.digests[text] = known
        return known


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard found: a probability per hazard, raw, so that a new threshold needs no new call."""

    guard: str
    scores: Mapping[str, float]
    spans: tuple[Span, ...] = ()
    latency_seconds: float = 0.0
    waits: bool = False  # of a piece: nothing more of the text may leave before all of it has been judged

    @property
    def hazard(self) -> str | None:
        """The likeliest hazard, or None when nothing was scored."""
        return max(self.scores, key=self.scores.__getitem__, default=None)

    @property
    def probability(self) -> float:
        """The likeliest hazard's probability, 0 to 1."""
        return max(self.scores.values(), default=0.0)


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict that crossed one of the policy's thresholds, and the action that follows."""

    guard: str
    hazard: str
    probability: float
    action: Action
    part: str = "content"


@dataclass(frozen=True, slots=True)
class Failure:
    """A guard that could not decide, and the action its `on_error` prescribes."""

    guard: str
    reason: str
    action: Action


@dataclass(frozen=True, slots=True)
class Screening:
    """The outcome of a policy's guards on some text: the strictest action, and the evidence for it."""

    text: str  # as it may be delivered: redacted where the policy says so; segments run together
    action: Action = Action.ALLOW
    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    scanned_bytes: int = 0  # UTF-8 bytes of the text that every guard of the policy saw
    latency_seconds: float = 0.0
    segments: tuple[Segment, ...] = ()  # in the order given, each as it may be delivered
    redactions: tuple[tuple[Redaction, ...], ...] = ()  # per segment, ascending, never overlapping
    unscanned: Mapping[str, int] = field(
        default_factory=dict
    )  # parts beside the text, by kind: nobody read them
    parts: tuple[str, ...] = ()  # of the segments, which are not kept themselves
    turns_ago: tuple[int, ...] = ()  # of the segments, where any of them is not new
    shares: tuple[int, ...] = ()  # how many of the verdicts are each segment's: they stand in its order
    panel: Mapping[str, str] = field(
        default_factory=dict
    )  # the policy's guards by id, with their fingerprints

    @property
    def flagged(self) -> bool:
        """Whether the exchange must be kept: anything found, or anything that could not be checked."""
        return bool(self.findings or self.failures)

    @property
    def scores(self) -> dict[str, float]:
        """The highest probability of each hazard that any guard gave."""
        highest: dict[str, float] = {}
        for verdict in self.verdicts:
            for hazard, score in verdict.scores.items():
                highest[hazard] = max(score, highest.get(hazard, 0.0))
        return highest

    @property
    def withheld(self) -> bool:
        """Whether the text may not be delivered."""
        return self.action.withholds

    @property
    def waits(self) -> bool:
        """Whether some guard must see all of the text before any more of it leaves, and nothing decides already."""
        return not self.withheld and any(verdict.waits for verdict in self.verdicts)

    @property
    def undecided(self) -> tuple[str, ...]:
        """The guards that could not decide, where it is they that withhold the text, and no finding."""
        if any(found.action.withholds for found in self.findings):
            return ()
        return tuple(failure.guard for failure in self.failures if failure.action.withholds)

    @property
    def hazards(self) -> tuple[str, ...]:
        """The hazards found, strictest action first, each once; a particular one stands before `G.unsafe`."""
        ordered = sorted(
            self.findings, key=lambda found: (found.hazard == "G.unsafe", -found.action, -found.probability)
        )
        return tuple(dict.fromkeys(finding.hazard for finding in ordered))


class GuardsError(Exception):
    """Anything that this package raises on purpose; its text never quotes what was screened."""


class PolicyRefused(GuardsError):
    """A policy document that must not be enforced; the text says where, why and what to do."""


class GuardFailed(GuardsError):
    """A guard could not decide."""


class GuardTimedOut(GuardFailed):
    """A guard had not answered within its own time."""


class GuardUnavailable(GuardFailed):
    """A guard's model or service cannot be reached."""


class Guard(Protocol):
    """One check of text."""

    @property
    def name(self) -> str:
        """The id that the policy gives it."""
        ...

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The guard's verdict on a segment; raises GuardFailed when it cannot decide."""
        ...


@runtime_checkable
class Computing(Guard, Protocol):
    """A guard that waits for nobody, and so may be asked in a thread; it stops when `context.work` says so."""

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """All texts that its verdict on the segment rests on: for the same texts it is the same verdict."""
        ...

    def weighs(self, segment: Segment, context: Context) -> int:
        """Characters that it would have to read for it, those of a request that it knows already left out."""
        ...

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """What `check` gives, computed here and now."""
        ...


@dataclass(slots=True)
class Coverage:
    """A receipt of what was scanned, counted from the very bytes that were screened and delivered."""

    scanned_bytes: int = 0
    delivered_bytes: int = 0
    parts: dict[str, int] = field(default_factory=dict)

    def scanned(self, part: str, size: int) -> None:
        """Account for `size` bytes of `part` that every guard has seen."""
        self.scanned_bytes += size
        self.parts[part] = self.parts.get(part, 0) + size
