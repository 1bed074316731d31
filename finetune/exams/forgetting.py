"""How far the new policy has left the base model, where it had no reason to: forward KL on harmless prompts."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ConfigDict

from finetune.errors import ExamFailed
from finetune.exams.condition import Condition
from finetune.exams.contract import ExamPlan, Question
from finetune.exams.intervals import mean_of
from finetune.exams.plug import Findings, Sitting
from finetune.exams.questions import read_questions
from finetune.pairs.pair import prompt_text


@dataclass(frozen=True)
class Forgetting:
    """The exam `forgetting`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    prompts_file: Path | None = None  # golden prompts in the main exam's format; None is its benign ones
    most: float = 0.05  # nats per token, at the upper end of the interval
    prompts_at_most: int = 64
    max_tokens: int = 64

    @cached_property
    def _golden(self) -> tuple[Question, ...]:
        return read_questions(self.prompts_file) if self.prompts_file else ()

    @property
    def judges(self) -> tuple[str, ...]:
        """Nobody: it is measured."""
        return ()

    def prompts(self) -> tuple[str, ...]:
        """Golden prompts of one's own."""
        return tuple(prompt_text(question.messages) for question in self._golden)

    async def examine(self, sitting: Sitting) -> Findings:
        """Nats per token by prompt; the bare base model has left nothing."""
        benign = [question for question in sitting.questions if question.kind == "benign"]
        golden = (self._golden or benign)[: self.prompts_at_most]
        if sitting.adapter is None:
            return Findings({"nats": {question.id: [0.0] for question in golden}})
        if sitting.diverge is None:
            raise ExamFailed("forgetting cannot be measured here: nothing compares a policy with its base")
        plan = ExamPlan(samples=1, max_tokens=self.max_tokens, seed=sitting.plan.seed)
        asked = [question.messages for question in golden]
        nats = await asyncio.to_thread(sitting.diverge, sitting.adapter, asked, plan)
        return Findings({"nats": {q.id: found for q, found in zip(golden, nats, strict=True)}})

    def conditions(self, before: Findings, after: Findings) -> tuple[Condition, ...]:
        """Within the budget."""
        found = mean_of(after.values("nats"))
        told = (
            f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}] nats per token from the base; "
            f"the upper bound may be {self.most:.3f}"
        )
        name = "close to the base model"
        return (Condition(name, bool(found.values) and found.high <= self.most, told, "forgetting"),)
