"""One request's way through the gateway: what is known of it so far, and its record once it ends."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from gateway import media
from gateway.ask import Ask, Body
from gateway.exchange import Candidate, Exchange, Usage
from gateway.failures import kind_of_reason, reasons
from gateway.receipt import Receipt
from gateway.screens import Screener
from gateway.strategies.contract import Choice
from guards.language import language_of
from guards.vault import Vault
from guards.verdict import Action, Context, Screening

# What is spent waiting for others; the rest of a request's time is our own.
WAITING = ("queue", "engine", "reward")
NOBODY_ANSWERED = "none"
# Why there is no whole answer, where no error says it.
CLIENT_LEFT, CUT_OFF = "client left", "cut off"


class Stage:
    """One stage of a trip while it is timed: a request has many, and a generator for each would cost as much again."""

    __slots__ = ("_name", "_since", "_stages")

    def __init__(self, stages: dict[str, float], name: str) -> None:
        self._stages = stages
        self._name = name

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        spent = time.perf_counter() - self._since
        self._stages[self._name] = self._stages.get(self._name, 0.0) + spent


@dataclass(slots=True)
class Trip:
    """Gathers the facts of one exchange; `body` is what may be forwarded, redacted as the policy says."""

    ask: Ask
    screen: Screener
    body: Body
    context: Context = field(default_factory=Context)  # the conversation, for guards
    started: float = field(default_factory=time.perf_counter)
    version: str = NOBODY_ANSWERED
    affinity: str | None = (
        None  # what its conversation's requests have in common, for whoever keeps them together
    )
    prompt: Screening | None = None
    completion: Mapping[str, Any] = field(default_factory=dict)  # the engine's answer, for its envelope
    candidates: tuple[Candidate, ...] = ()
    blocks: int = 0  # of which an answer was made that was chosen block by block
    passed_over: tuple[Candidate, ...] = ()  # what an answer that was chosen block by block was not made of
    instead: str | None = None  # the strategy that chooses where rewards failed
    choice: Choice | None = None
    gathered: str = ""  # one sentence: how its candidates came about, where there is something to tell
    delivered: tuple[str, ...] = ()  # the choices' contents, as they went out
    receipt: Receipt = field(default_factory=Receipt)
    degraded: list[str] = field(default_factory=list)
    adjusted: list[str] = field(init=False)  # what of the selection was capped, or raised
    usage: Usage = field(default_factory=Usage)
    stages: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    left: bool = False  # whether its client is gone
    vault: Vault = field(init=False)  # what was hidden from everybody but its client

    def __post_init__(self) -> None:
        self.vault = Vault(self.screen.policy.document.placeholder)
        self.adjusted = list(self.ask.selection.adjusted)

    allowance: tuple[tuple[bytes, bytes], ...] = ()  # how its key's limits stand, as headers

    @classmethod
    def begin(cls, ask: Ask, screen: Screener) -> "Trip":
        """Set out, with the guard policy of this moment for the whole way."""
        return cls(ask, screen, ask.body)

    def leave(self) -> None:
        """Its client is gone."""
        self.left = True

    def stage(self, name: str) -> "Stage":
        """Times what is done within it; a stage that comes again adds to itself."""
        return Stage(self.stages, name)

    @property
    def elapsed_seconds(self) -> float:
        """Since the request was read."""
        return time.perf_counter() - self.started

    @property
    def overhead_seconds(self) -> float:
        """Our own time until now."""
        return max(0.0, self.elapsed_seconds - sum(self.stages.get(name, 0.0) for name in WAITING))

    @property
    def seconds_left(self) -> float:
        """Until the request's deadline; 0 when it has passed."""
        return max(0.0, self.ask.deadline_seconds - self.elapsed_seconds)

    @property
    def chosen(self) -> tuple[Candidate, ...]:
        """The candidates to deliver, best first."""
        return tuple(self.candidates[index] for index in self.choice.winners) if self.choice else ()

    @property
    def refused(self) -> bool:
        """Whether nothing that was asked for may be delivered."""
        if self.prompt is not None and self.prompt.withheld:
            return True
        whole = [candidate for candidate in self.candidates if not candidate.cut]
        return bool(whole) and not any(candidate.safe for candidate in whole)

    @property
    def refusal_text(self) -> str:
        """The policy's refusal in the language of the request, where the policy has one for it."""
        refusal = self.screen.policy.refusal
        return refusal.text_in(language_of(self.context.request)) if refusal.texts else refusal.text

    @property
    def withheld_for(self) -> str | None:
        """The kind of reason for which nothing is delivered; None where something is."""
        screenings = (self.prompt, *(candidate.screening for candidate in self.candidates))
        withheld = [each for each in screenings if each is not None and each.withheld]
        return kind_of_reason(withheld[0]) if withheld and self.refused else None

    @property
    def prompt_cut(self) -> bool:
        """Whether something was cut out of the prompt."""
        return self.prompt is not None and any(self.prompt.redactions)

    @property
    def verbatim(self) -> bool:
        """Whether every text of the prompt and of the candidates passed as it was."""
        screenings = (self.prompt, *(candidate.screening for candidate in self.candidates))
        return not any(each is None or each.withheld or any(each.redactions) for each in screenings)

    @property
    def action(self) -> Action:
        """What the policy did in the end: the strictest for the prompt and for what was delivered."""
        screenings = [self.prompt, *(candidate.screening for candidate in self.chosen)]
        strictest = max((each.action for each in screenings if each is not None), default=Action.ALLOW)
        if any(candidate.revision_of is not None for candidate in self.chosen):
            strictest = max(strictest, Action.REVISE)
        return max(strictest, Action.REFUSE) if self.refused else strictest

    @property
    def why(self) -> str:
        """One sentence: why this answer won, or why there is none."""
        if self.error:
            return f"There is no whole answer: {self.error}."
        if self.prompt is not None and self.prompt.withheld:
            return f"The prompt was withheld by the guard policy: {_reason(self.prompt)}."
        return self.choice.why if self.choice else ""

    @property
    def all_candidates(self) -> tuple[Candidate, ...]:
        """Those that it was chosen among, and what the answer was not made of, numbered after them."""
        beside = enumerate(self.passed_over, len(self.candidates))
        return (*self.candidates, *(replace(each, index=place) for place, each in beside))

    def exchange(self) -> Exchange:
        """The record; the ledger cuts out of it what the policy redacts before anything is written."""
        kept = self.choice is not None and self.choice.winners and not (self.refused or self.error)
        best = self.choice.winners[0] if self.choice and kept else None
        return Exchange(
            id=self.ask.id,
            key_id=self.ask.caller.id,
            alias=self.ask.alias,
            version=self.version,
            policy=self.screen.policy.hash,
            strategy=self.ask.strategy,
            messages=media.recorded(self.body["messages"], self.prompt),
            action=self.action,
            answer=self.delivered[0] if self.delivered else "",
            finish_reason=self._finish_reason(best),
            prompt_screening=self.prompt,
            candidates=tuple(media.recorded_candidate(each) for each in self.all_candidates),
            chosen=best,
            why=self.why,
            degraded=tuple(self.degraded),
            usage=self.usage,
            stage_seconds=dict(self.stages),
            subject=self.ask.subject,
            streamed=self.ask.stream,
            error=self.error,
            learn=self.ask.learn,
        )

    def _finish_reason(self, best: int | None) -> str:
        if self.error:
            return "error"
        if best is not None:
            return self.candidates[best].finish_reason
        return "content_filter" if self.refused else "stop"


def _reason(screening: Screening) -> str:
    """The guards that could not decide, where it is they that withhold; else the hazards found."""
    failed = ", ".join(f"guard {guard} failed" for guard in screening.undecided)
    return failed or reasons(screening)
