"""An exam: the bare policy answers held-out prompts, a judge and the reward model mark the answers.

Bare means without the gateway's guards and without choosing among candidates: what the weights themselves do.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.errors import ExamFailed, reason
from finetune.exams.contract import Answer, Examined, ExamPlan, LoadPolicy, Policy, Question, Rewards
from finetune.exams.marks import write_marks
from finetune.exams.questions import bundled, read_questions
from finetune.exams.report import Marked, report_of
from finetune.pairs.pair import prompt_text
from finetune.pairs.similarity import words
from finetune.progress import Progress
from guards.garbled import garbled
from guards.refusal import RefusalJudge
from rewardserve.client import RewardFailed

BATCH = 16  # prompts sampled together


@dataclass(frozen=True, slots=True)
class ExamRoom:
    """Holds exams; without rewards, reports have none, and no gate passes."""

    load: LoadPolicy
    rewards: Rewards | None
    folder: Path
    progress: Progress
    judge: RefusalJudge

    def prompts(self, plan: ExamPlan) -> tuple[str, ...]:
        """The text of every prompt that the exam asks."""
        return tuple(prompt_text(question.messages) for question in questions_of(plan))

    async def examine(self, adapter: Path | None, plan: ExamPlan) -> Examined:
        """Ask every question, mark every answer; cancelling stops between two batches."""
        began = time.monotonic()
        questions = questions_of(plan)
        answers = await self._answers(adapter, questions, plan)
        rewards = await self._scored(questions, answers)
        marked = [
            self._mark(question, answer, reward)
            for question, said, scored in zip(questions, answers, rewards, strict=True)
            for answer, reward in zip(said, scored, strict=True)
        ]
        return Examined(
            answers=write_marks(marked, self.folder),
            report=report_of(marked),
            judge="refusal judge by wording; it labelled no pair",
            rewarded_by="the reward server, which also ranked the candidates" if self.rewards else "nobody",
            seconds=time.monotonic() - began,
        )

    async def _answers(
        self, adapter: Path | None, questions: Sequence[Question], plan: ExamPlan
    ) -> list[list[Answer]]:
        policy = await asyncio.to_thread(self._loaded, adapter)
        answers: list[list[Answer]] = []
        for start in range(0, len(questions), BATCH):
            asked = [question.messages for question in questions[start : start + BATCH]]
            answers += await asyncio.to_thread(policy.sample, asked, plan, plan.seed + start)
            self.progress.advanced(len(answers), len(questions), "prompts answered")
        return answers

    def _loaded(self, adapter: Path | None) -> Policy:
        try:
            return self.load(adapter)
        except (OSError, ValueError, RuntimeError) as error:
            raise ExamFailed(f"the policy cannot be loaded: {reason(error)}") from error

    async def _scored(
        self, questions: Sequence[Question], answers: Sequence[Sequence[Answer]]
    ) -> Sequence[Sequence[float | None]]:
        if self.rewards is None:
            return [[None] * len(said) for said in answers]
        found: list[list[float]] = []
        asked = [(q.messages, [a.text for a in said]) for q, said in zip(questions, answers, strict=True)]
        try:
            for start in range(0, len(asked), BATCH):
                found += await self.rewards.score_many(asked[start : start + BATCH])
                self.progress.advanced(len(found), len(asked), "prompts scored")
        except RewardFailed as error:
            raise ExamFailed(f"answers cannot be scored: {error}") from error
        return found

    def _mark(self, question: Question, answer: Answer, reward: float | None) -> Marked:
        return Marked(
            prompt_id=question.id,
            kind=question.kind,
            text=answer.text,
            complied=self.judge.complies(answer.text),
            refused=self.judge.withholds(answer.text),
            ended=answer.ended and not garbled(answer.text),
            length=len(words(answer.text)),
            reward=reward,
        )


def questions_of(plan: ExamPlan) -> tuple[Question, ...]:
    """The questions of the plan's file, or of the bundled one."""
    return read_questions(plan.prompts or bundled())
