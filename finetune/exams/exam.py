"""An exam: the bare policy answers held-out prompts, a judge and the reward model mark the answers.

Bare means without the gateway's guards and without choosing among candidates: what the weights themselves do. Further
exams, as many as the plan names, sit beside this one and may use its answers.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from finetune.errors import ExamFailed, reason
from finetune.exams.asking import BATCH
from finetune.exams.board import exams_of
from finetune.exams.contract import Answer, Examined, ExamPlan, LoadPolicy, Policy, Question, Rewards
from finetune.exams.findings import write_findings
from finetune.exams.marks import write_marks
from finetune.exams.plug import Diverge, Findings, Sitting
from finetune.exams.questions import bundled, read_questions
from finetune.exams.report import Marked, report_of
from finetune.pairs.pair import prompt_text
from finetune.pairs.similarity import words
from finetune.progress import Progress
from finetune.train.servable import faults_of
from guards.garbled import garbled
from guards.refusal import RefusalJudge
from rewardserve.client import RewardFailed

SERVABLE = "servability"


@dataclass(frozen=True, slots=True)
class ExamRoom:
    """Holds exams; without rewards, reports have none, and no gate passes."""

    load: LoadPolicy
    rewards: Rewards | None
    folder: Path
    progress: Progress
    judge: RefusalJudge
    base: str = ""  # the bare policy's directory or hub name; without it no adapter's files are looked at
    max_rank: int = 64
    diverge: Diverge | None = None

    def by_exam(self, plan: ExamPlan) -> dict[str, tuple[str, ...]]:
        """The text of every prompt that each exam asks; the main one's first."""
        own = tuple(prompt_text(question.messages) for question in questions_of(plan))
        return {"main": own, **{name: exam.prompts() for name, exam in exams_of(plan).items()}}

    def prompts(self, plan: ExamPlan) -> tuple[str, ...]:
        """The text of every prompt that the exams ask."""
        return tuple(prompt for asked in self.by_exam(plan).values() for prompt in asked)

    async def examine(self, adapter: Path | None, plan: ExamPlan) -> Examined:
        """Ask every question, mark every answer; cancelling stops between two batches.

        An adapter that engines would refuse is asked nothing: its faults are all that is found.
        """
        began = time.monotonic()
        faults = await self._faults(adapter)
        if faults:
            return self._told([], {SERVABLE: Findings(faults=faults)}, began)
        self.by_exam(plan)  # a wrong file of a further exam is told before the main one has taken its hours
        questions = questions_of(plan)
        policy = await asyncio.to_thread(self._loaded, adapter)
        answers = await self._answers(policy, questions, plan)
        rewards = await self._scored(questions, answers)
        marked = [
            self._mark(question, answer, reward)
            for question, said, scored in zip(questions, answers, rewards, strict=True)
            for answer, reward in zip(said, scored, strict=True)
        ]
        sit = partial(Sitting, adapter, self.base, self.max_rank, policy)
        sitting = sit(questions, answers, marked, self.rewards, plan, self.diverge)
        return self._told(marked, await self._further(sitting), began)

    async def _faults(self, adapter: Path | None) -> dict[str, str]:
        if adapter is None or not self.base:
            return {}
        return await asyncio.to_thread(faults_of, adapter, self.max_rank, self.base)

    async def _further(self, sitting: Sitting) -> dict[str, Findings]:
        found: dict[str, Findings] = {}
        for name, exam in exams_of(sitting.plan).items():
            self.progress.advanced(len(found), len(sitting.plan.exams), f"exam: {name}")
            found[name] = await exam.examine(sitting)
        self.progress.advanced(len(found), len(found), "exams held")
        return found

    def _told(self, marked: Sequence[Marked], found: dict[str, Findings], began: float) -> Examined:
        return Examined(
            answers=write_marks(marked, self.folder),
            report=report_of(marked),
            judge="refusal judge by wording; it labelled no pair",
            rewarded_by="the reward server, which also ranked the candidates" if self.rewards else "nobody",
            seconds=time.monotonic() - began,
            findings=write_findings(found, self.folder) if found else None,
        )

    async def _answers(
        self, policy: Policy, questions: Sequence[Question], plan: ExamPlan
    ) -> list[list[Answer]]:
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
