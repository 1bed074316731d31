"""What a further exam is: a plug-in that examines one policy, and later says what must hold between two.

Built-in ones are named in `finetune/exams/board.py`; others are found under the entry point group `trimtab.exams`,
each a class whose keyword arguments are its options.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from finetune.exams.condition import Condition
from finetune.exams.contract import Answer, ExamPlan, Policy, Question, Rewards
from finetune.exams.intervals import Clusters
from finetune.exams.report import Marked
from gateway.exchange import Message

Conversations = Sequence[Sequence[Message]]
# Nats per token by which the adapter's policy leaves the base model's, for each conversation, on the base's answers.
Diverge = Callable[[Path, Conversations, ExamPlan], list[list[float]]]
NOWHERE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Sitting:
    """What an exam may use of the policy that sits it."""

    adapter: Path | None  # None is the bare base model
    base: str
    max_rank: int
    policy: Policy
    questions: Sequence[Question]  # of the main exam, with its answers and their marks
    answers: Sequence[Sequence[Answer]]
    marked: Sequence[Marked]
    rewards: Rewards | None
    plan: ExamPlan
    diverge: Diverge | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What an exam found of one policy: values by prompt for each figure, and faults, each a code and a sentence."""

    figures: Mapping[str, Clusters] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def values(self, figure: str) -> Clusters:
        """The values of a figure; none where it was not measured."""
        return self.figures.get(figure, {})


class Exam(Protocol):
    """One exam beside the main one."""

    @property
    def judges(self) -> tuple[str, ...]:
        """Whose word its marks rest on: as in a pair's `labelled_by`, or a reward server's address.

        None where answers are checked, not judged.
        """
        ...

    def prompts(self) -> tuple[str, ...]:
        """The text of every prompt that it asks beside the main exam's, which no training may see."""
        ...

    async def examine(self, sitting: Sitting) -> Findings:
        """Examine one policy; raises ExamFailed."""
        ...

    def conditions(self, before: Findings, after: Findings) -> tuple[Condition, ...]:
        """What must hold of the policy after, which was `before` until now. Pure."""
        ...
