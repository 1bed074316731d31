"""Everything that decides a retraining's result, fixed when it begins and kept with it in the ledger."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from finetune.exams.contract import ExamPlan
from finetune.pairs.draw import DrawRules
from finetune.pairs.filters import FilterRules
from finetune.pairs.make import MakeRules
from finetune.rollout.gate import Bars
from finetune.rollout.plan import RolloutRules
from finetune.train.contract import Recipe


@dataclass(frozen=True, slots=True)
class Plan:
    """What to learn from, how to train, how to examine, and what must hold."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    alias: str = "assistant"
    datasets: Path = Path(".trimtab/datasets")
    fewest_pairs: int = 100
    make: MakeRules = field(default_factory=MakeRules)
    draw: DrawRules = field(default_factory=DrawRules)
    filters: FilterRules = field(default_factory=FilterRules)
    recipe: Recipe = field(default_factory=Recipe)
    exam: ExamPlan = field(default_factory=ExamPlan)
    bars: Bars = field(default_factory=Bars)
    rollout: RolloutRules = field(default_factory=RolloutRules)

    def document(self) -> dict[str, Any]:
        """The plan as JSON."""
        told: dict[str, Any] = TypeAdapter(Plan).dump_python(self, mode="json")
        return told


def plan_from(document: dict[str, Any]) -> Plan:
    """The plan that `document` wrote."""
    return TypeAdapter(Plan).validate_python(document)
