"""The exchange: one request and how it was answered; everything else is made from this record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from guards.verdict import Action, Screening

Message = Mapping[str, Any]
EMBEDDING = "embedding"  # the strategy of an exchange that is no conversation: its texts became vectors
# Characters of `subject`: four bytes each still fit into an index of PostgreSQL, which takes 2704 bytes.
LONGEST_SUBJECT = 512


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sampled answer among n, what the guards made of it, and its reward."""

    index: int
    text: str  # the assistant's content, as the engine said it
    message: Message  # the whole assistant message: content, tool_calls, reasoning …
    finish_reason: str
    tokens: int = 0
    logprobs: Any = None
    screening: Screening | None = None
    reward: float | None = None
    heads: Mapping[str, float] = field(
        default_factory=dict
    )  # its reward by head, of a model that has several
    certainty: float | None = None  # how sure the policy model was of it, where that was asked for
    revision_of: int | None = None  # the candidate that this one is a revision of
    cut: bool = False  # it was left off before its end: its reward is that of a beginning

    @property
    def safe(self) -> bool:
        """Whether it is whole, was screened and may be delivered."""
        return self.screening is not None and not self.screening.withheld and not self.cut


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens spent on an exchange; `completion` counts every candidate, delivered or not."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it was answered, complete enough to explain, to backtest and to learn from."""

    id: str
    key_id: str
    alias: str
    version: str
    policy: str  # the guard policy's content hash
    strategy: str
    messages: tuple[Message, ...]
    action: Action
    answer: str
    finish_reason: str
    prompt_screening: Screening | None = None
    candidates: tuple[Candidate, ...] = ()
    chosen: int | None = None  # index into candidates; None when refused or failed
    why: str = ""  # one sentence: why this answer won, or why there is none
    degraded: tuple[str, ...] = ()  # e.g. "reward: unavailable; first safe candidate"
    usage: Usage = field(default_factory=Usage)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    subject: str | None = None  # OpenAI's `user` field: whom erasure is asked for
    streamed: bool = False
    error: str | None = None
    learn: bool = True  # False where the request said `store: false`: it may be audited and not learnt from
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def flagged(self) -> bool:
        """Whether this record must never be lost: a guard found something or could not decide."""
        screenings = [self.prompt_screening, *(candidate.screening for candidate in self.candidates)]
        return any(screening is not None and screening.flagged for screening in screenings)

    @property
    def hazards(self) -> tuple[str, ...]:
        """Every hazard found in the prompt or in any candidate, each once."""
        screenings = [self.prompt_screening, *(candidate.screening for candidate in self.candidates)]
        found = (hazard for screening in screenings if screening is not None for hazard in screening.hazards)
        return tuple(dict.fromkeys(found))
