"""What the policy could do before, it can still do: questions whose answers are checked, asked greedily."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ConfigDict

from finetune.exams.asking import ask
from finetune.exams.checkable import Checkable, bundled_facts, read_checkable
from finetune.exams.condition import Condition, falls_little
from finetune.exams.contract import Answer, ExamPlan
from finetune.exams.intervals import difference_of
from finetune.exams.plug import Findings, Sitting
from finetune.exams.report import by_prompt
from finetune.pairs.pair import prompt_text


@dataclass(frozen=True)
class Capability:
    """The exam `capability`; for several sets of questions, several exams of this kind under other names."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    questions: Path | None = None  # JSON lines; None is what the pocket policy was taught
    max_tokens: int = 40
    fall_at_most: float = 0.02  # point estimate
    fall_bound: float = 0.06  # lower 95 % bound; a few hundred questions are not sure of less

    @cached_property
    def _questions(self) -> tuple[Checkable, ...]:
        return read_checkable(self.questions or bundled_facts())

    @property
    def judges(self) -> tuple[str, ...]:
        """Nobody: right is what matches."""
        return ()

    def prompts(self) -> tuple[str, ...]:
        """Every question."""
        return tuple(prompt_text(question.messages) for question in self._questions)

    async def examine(self, sitting: Sitting) -> Findings:
        """Which questions are answered rightly."""
        plan = ExamPlan(samples=1, max_tokens=self.max_tokens, temperature=0.0)
        said = await ask(sitting.policy, [question.messages for question in self._questions], plan)
        return Findings({"right": rightly(self._questions, said)})

    def conditions(self, before: Findings, after: Findings) -> tuple[Condition, ...]:
        """Hardly fewer than before."""
        change = difference_of(before.values("right"), after.values("right"))
        return (
            falls_little(
                "questions answered rightly", "capability", change, self.fall_at_most, self.fall_bound
            ),
        )


def rightly(questions: Sequence[Checkable], said: Sequence[Sequence[Answer]]) -> dict[str, list[float]]:
    """1 for each right answer, by what is asked: `fact#1` and `fact#2` ask the same in other words."""
    marks = [(q.topic, float(q.right(a.text))) for q, told in zip(questions, said, strict=True) for a in told]
    return by_prompt(marks)
