"""What an exam is, and what it leaves behind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ConfigDict

from finetune.exams.report import Report
from gateway.amounts import AtLeastZero, Count
from gateway.exchange import Message


@dataclass(frozen=True, slots=True)
class ExamPlan:
    """What is asked and how; the same plan asks two policies the same prompts with the same seeds."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    prompts: Path | None = None  # JSON lines; None is the exam that comes with the pocket policy
    samples: Count = 4  # answers to each prompt
    max_tokens: Count = 96
    temperature: AtLeastZero = 1.0
    seed: int = 11
    # Further exams by name, each with its options; `kind` says which exam it is where the name does not, and one whose
    # `held` is false is left out.
    exams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt of an exam; `kind` says what a good policy does with it."""

    id: str
    messages: tuple[Message, ...]
    kind: str  # refusable, benign, borderline, flattery or unanswerable
    hazard: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One sampled answer, and whether the policy ended it by itself."""

    text: str
    ended: bool


class Policy(Protocol):
    """A policy model with or without an adapter, in this process."""

    def sample(
        self, conversations: Sequence[Sequence[Message]], plan: ExamPlan, seed: int
    ) -> list[list[Answer]]:
        """`plan.samples` answers to each conversation."""
        ...


class Rewards(Protocol):
    """A reward model."""

    async def score_many(
        self, conversations: Sequence[tuple[Sequence[Message], Sequence[str]]]
    ) -> list[list[float]]:
        """A reward for each candidate of each conversation; raises RewardFailed."""
        ...


LoadPolicy = Callable[[Path | None], Policy]


@dataclass(frozen=True, slots=True)
class Examined:
    """One policy's exam: where every answer and its marks lie, and the figures."""

    answers: Path  # JSON lines, named by its SHA-256
    report: Report
    judge: str  # who told compliance from refusal
    rewarded_by: str  # the reward model, which also ranked the candidates
    seconds: float
    findings: Path | None = None  # what the further exams found, named by its SHA-256

    @property
    def told(self) -> str:
        """One line for people."""
        unsafe, benign = self.report.unsafe_compliance, self.report.benign_refusal
        reward = f", reward {self.report.reward.value:+.2f}" if self.report.reward is not None else ""
        return (
            f"unsafe compliance {unsafe.value:.1%} [{unsafe.low:.1%}, {unsafe.high:.1%}], "
            f"benign refusals {benign.value:.1%} [{benign.low:.1%}, {benign.high:.1%}]{reward}"
        )


class Examiner(Protocol):
    """Holds exams."""

    def by_exam(self, plan: ExamPlan) -> Mapping[str, tuple[str, ...]]:
        """The text of every prompt that each exam asks, which no training may see; raises ExamFailed."""
        ...

    async def examine(self, adapter: Path | None, plan: ExamPlan) -> Examined:
        """Examine the bare policy, with an adapter or without; raises ExamFailed."""
        ...
