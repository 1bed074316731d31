"""How far a policy has left its base."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune.errors import ExamFailed
from finetune.exams.contract import ExamPlan
from finetune.exams.forgetting import Forgetting
from finetune.exams.plug import Diverge, Findings
from gateway.exchange import Message
from tests.finetune.exams.sitting import asked, sitting

EXAM = Forgetting(most=0.05)


def nats(each: float) -> Diverge:
    def diverge(_: Path, conversations: Sequence[Sequence[Message]], plan: ExamPlan) -> list[list[float]]:
        return [[each, each / (2 + i)] for i, _ in enumerate(conversations)]

    return diverge


async def found(each: float) -> Findings:
    return await EXAM.examine(
        sitting(questions=asked(40, "benign"), adapter=Path("adapter"), diverge=nats(each))
    )


async def test_a_policy_that_stays_close_passes() -> None:
    (condition,) = EXAM.conditions(Findings(), await found(0.02))
    assert condition.passed, condition.told


async def test_a_policy_that_went_far_is_named() -> None:
    (condition,) = EXAM.conditions(Findings(), await found(0.4))
    assert (condition.passed, condition.reason) == (False, "forgetting")


async def test_the_base_has_left_nothing() -> None:
    assert (await EXAM.examine(sitting(questions=asked(2, "benign")))).values("nats") == {
        "benign-0": [0.0],
        "benign-1": [0.0],
    }


async def test_where_nothing_compares_nothing_passes() -> None:
    with pytest.raises(ExamFailed, match="nothing compares"):
        await EXAM.examine(sitting(questions=asked(2, "benign"), adapter=Path("adapter")))
