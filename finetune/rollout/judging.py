"""Everything that the gate looks at, brought together: both exams, the data, the training, the adapter's files."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from finetune.exams.board import conditions_of, exams_of, judges_of
from finetune.exams.condition import Condition
from finetune.exams.contract import Examined, Examiner
from finetune.exams.findings import read_findings
from finetune.exams.lineage import Asked, Registrar, data_conditions
from finetune.exams.marks import compare_files
from finetune.exams.plug import Findings
from finetune.exams.ranker import rankers_among
from finetune.exams.servability import Servability
from finetune.pairs.dataset import Dataset
from finetune.plan import Plan
from finetune.rollout.gate import Decision, decide, not_too_easy
from finetune.train.contract import Trained

MAIN_EXAM: Mapping[str, tuple[str, ...]] = {"main": ("wording",)}  # on whose word it rests


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged."""

    before: Examined
    after: Examined
    trained: Trained
    dataset: Dataset


class Informed(Protocol):
    """Who knows what the exams ask, and where data stands."""

    @property
    def examiner(self) -> Examiner:
        """Holds the exams."""
        ...

    @property
    def registrar(self) -> Registrar | None:
        """Knows datasets."""
        ...

    @property
    def rankers(self) -> Collection[str]:
        """The addresses of the reward servers that rank candidates, in traffic and here."""
        ...


async def judge(case: Case, plan: Plan, tools: Informed) -> Decision:
    """Hold the new policy against every bar. An adapter that engines would refuse was examined in nothing else."""
    exams = exams_of(plan.exam)
    before = await asyncio.to_thread(read_findings, case.before.findings)
    after = await asyncio.to_thread(read_findings, case.after.findings)
    judges = {**MAIN_EXAM, **judges_of(exams)}
    rankers = await rankers_among({who for each in judges.values() for who in each}, tools.rankers)
    asked = Asked(tools.examiner.by_exam(plan.exam), judges, plan.bars.labellers_may_judge, rankers)
    about = await data_conditions(case.dataset.path, case.dataset.sha256, asked, tools.registrar)
    unfit = refused(after)
    if unfit:
        return Decision((*unfit, *about))
    compared = await asyncio.to_thread(compare_files, case.before.answers, case.after.answers)
    further = (*conditions_of(exams, before, after), *about, not_too_easy(case.trained.log, plan.bars))
    return decide(compared, case.trained.health, case.trained.unservable, plan.bars, further)


def refused(found: dict[str, Findings]) -> tuple[Condition, ...]:
    """What engines would refuse about the adapter's files; nothing where they were sound or not looked at."""
    told = [each for each in found.values() if each.faults]
    return tuple(one for each in told for one in Servability().conditions(Findings(), each))
