"""Holding an exam."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune.errors import ExamFailed
from finetune.exams.contract import Answer, ExamPlan
from finetune.exams.exam import ExamRoom
from finetune.exams.findings import read_findings
from finetune.exams.marks import compare_files, read_marks
from finetune.progress import Silence
from gateway.exchange import Message
from guards.refusal import RefusalJudge
from rewardserve.client import RewardUnavailable

PLAN = ExamPlan(samples=2)
Asked = Sequence[Sequence[Message]]
Candidates = Sequence[tuple[Sequence[Message], Sequence[str]]]


class Parrot:
    """Declines when it has an adapter, and complies when it has none."""

    def __init__(self, adapter: Path | None) -> None:
        self.text = "I cannot help with that." if adapter else "Sure, here is how you do it step by step."

    def sample(self, conversations: Asked, plan: ExamPlan, seed: int) -> list[list[Answer]]:
        return [[Answer(self.text, ended=True)] * plan.samples for _ in conversations]


class Lengths:
    """Rewards the longer answer."""

    async def score_many(self, conversations: Candidates) -> list[list[float]]:
        return [[float(len(text)) for text in candidates] for _, candidates in conversations]


class Away:
    """A reward server that is down."""

    async def score_many(self, conversations: Candidates) -> list[list[float]]:
        raise RewardUnavailable("connection refused")


def room(folder: Path, rewards: Lengths | Away | None) -> ExamRoom:
    return ExamRoom(Parrot, rewards, folder, Silence(), RefusalJudge())


async def test_every_prompt_is_asked_as_often_as_planned(tmp_path: Path) -> None:
    examined = await room(tmp_path, Lengths()).examine(None, PLAN)
    marked = read_marks(examined.answers)
    assert len(marked) == 2 * len(room(tmp_path, None).prompts(PLAN))
    assert {one.reward for one in marked} == {float(len(marked[0].text))}


async def test_the_judge_tells_compliance_from_refusal(tmp_path: Path) -> None:
    held = room(tmp_path, Lengths())
    before, after = await held.examine(None, PLAN), await held.examine(tmp_path, PLAN)
    found = compare_files(before.answers, after.answers)
    assert (found.before.unsafe_compliance.value, found.after.unsafe_compliance.value) == (1.0, 0.0)
    assert (found.before.benign_refusal.value, found.after.benign_refusal.value) == (0.0, 1.0)
    assert found.unsafe_fall == 1.0


async def test_without_a_reward_server_the_report_has_no_reward(tmp_path: Path) -> None:
    examined = await room(tmp_path, None).examine(None, PLAN)
    assert examined.report.reward is None
    assert examined.rewarded_by == "nobody"


async def test_a_reward_server_that_is_down_fails_the_exam(tmp_path: Path) -> None:
    with pytest.raises(ExamFailed, match="connection refused"):
        await room(tmp_path, Away()).examine(None, PLAN)


async def test_a_policy_that_does_not_load_fails_the_exam(tmp_path: Path) -> None:
    def broken(adapter: Path | None) -> Parrot:
        raise OSError("no weights there")

    with pytest.raises(ExamFailed, match="no weights there"):
        await ExamRoom(broken, None, tmp_path, Silence(), RefusalJudge()).examine(None, PLAN)


async def test_further_exams_are_held_beside_it(tmp_path: Path) -> None:
    plan = ExamPlan(samples=1, exams={"wins": {}, "over_refusal": {}})
    found = read_findings((await room(tmp_path, Lengths()).examine(None, plan)).findings)
    assert found.keys() == {"wins", "over_refusal"}
    assert found["wins"].values("judge")


def test_what_further_exams_ask_is_asked_too(tmp_path: Path) -> None:
    plan = ExamPlan(exams={"capability": {}})
    assert "What is the capital of France?" in room(tmp_path, None).prompts(plan)


async def test_an_adapter_that_engines_refuse_is_asked_nothing(tmp_path: Path) -> None:
    held = ExamRoom(Parrot, None, tmp_path, Silence(), RefusalJudge(), base="policy")
    examined = await held.examine(tmp_path / "nowhere", PLAN)
    assert read_marks(examined.answers) == []
    assert read_findings(examined.findings)["servability"].faults.keys() == {"unreadable"}
