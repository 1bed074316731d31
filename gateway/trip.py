"""One request's way through the gateway: what is known of it so far, and its record once it ends."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.ask import Ask, Body
from gateway.exchange import Candidate, Exchange, Usage
from gateway.receipt import Receipt
from gateway.screens import Screener
from gateway.strategies.contract import Choice
from guards.verdict import Action, Context, Screening

# What is spent waiting for others; the rest of a request's time is our own.
WAITING = ("engine", "reward")
NOBODY_ANSWERED = "none"


@dataclass(slots=True)
class Trip:
    """Gathers the facts of one exchange; `body` is what may be forwarded, redacted as the policy says."""

    ask: Ask
    screen: Screener
    body: Body
    context: Context = field(default_factory=Context)  # the conversation, for guards
    started: float = field(default_factory=time.perf_counter)
    version: str = NOBODY_ANSWERED
    prompt: Screening | None = None
    completion: Mapping[str, Any] = field(default_factory=dict)  # the engine's answer, for its envelope
    candidates: tuple[Candidate, ...] = ()
    choice: Choice | None = None
    delivered: tuple[str, ...] = ()  # the choices' contents, as they went out
    receipt: Receipt = field(default_factory=Receipt)
    degraded: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    stages: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @classmethod
    def begin(cls, ask: Ask, screen: Screener) -> "Trip":
        """Set out, with the guard policy of this moment for the whole way."""
        return cls(ask, screen, ask.body)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; one that comes again adds to itself."""
        since = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - since

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
        return bool(self.candidates) and not any(candidate.safe for candidate in self.candidates)

    @property
    def action(self) -> Action:
        """What the policy did in the end: the strictest of the prompt's and of the delivered candidates'."""
        screenings = [self.prompt, *(candidate.screening for candidate in self.chosen)]
        strictest = max((each.action for each in screenings if each is not None), default=Action.ALLOW)
        return max(strictest, Action.REFUSE) if self.refused else strictest

    @property
    def why(self) -> str:
        """One sentence: why this answer won, or why there is none."""
        if self.error:
            return f"There is no whole answer: {self.error}."
        if self.prompt is not None and self.prompt.withheld:
            return f"The prompt was withheld by the guard policy: {_reason(self.prompt)}."
        return self.choice.why if self.choice else ""

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
            messages=tuple(self.body["messages"]),
            action=self.action,
            answer=self.delivered[0] if self.delivered else "",
            finish_reason=self._finish_reason(best),
            prompt_screening=self.prompt,
            candidates=self.candidates,
            chosen=best,
            why=self.why,
            degraded=tuple(self.degraded),
            usage=self.usage,
            stage_seconds=dict(self.stages),
            subject=self.ask.subject,
            streamed=self.ask.stream,
            error=self.error,
        )

    def _finish_reason(self, best: int | None) -> str:
        if self.error:
            return "error"
        return "content_filter" if best is None else self.candidates[best].finish_reason


def _reason(screening: Screening) -> str:
    """The guards that could not decide, where it is they that withhold; else the hazards found."""
    failed = ", ".join(f"guard {guard} failed" for guard in screening.undecided)
    return failed or ", ".join(screening.hazards)
