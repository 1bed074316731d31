"""Which exams a plan holds."""

import pytest

from finetune.errors import ExamFailed
from finetune.exams.board import EXAMS, POCKET_EXAMS, conditions_of, exams_of, judges_of
from finetune.exams.capability import Capability
from finetune.exams.contract import ExamPlan
from finetune.exams.plug import Findings


@pytest.mark.parametrize("told", [EXAMS, POCKET_EXAMS])
def test_what_is_held_by_default_can_be_held(told: dict[str, dict[str, object]]) -> None:
    assert exams_of(ExamPlan(exams=told)).keys() == told.keys()


def test_a_plan_without_exams_holds_none() -> None:
    assert exams_of(ExamPlan()) == {}


def test_a_kind_may_be_held_twice_with_other_options() -> None:
    told = {"sums": {"kind": "capability", "max_tokens": 9}, "facts": {"kind": "capability"}}
    exams = exams_of(ExamPlan(exams=told))
    assert [getattr(exam, "max_tokens", 0) for exam in exams.values()] == [9, Capability().max_tokens]


def test_an_exam_can_be_left_out() -> None:
    assert (
        exams_of(ExamPlan(exams=POCKET_EXAMS | {"sycophancy": {"held": False}}))
        .keys()
        .isdisjoint({"sycophancy"})
    )


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"clairvoyance": {}}, "no exam 'clairvoyance'.*capability"),
        ({"forgetting": {"mots": 1}}, "forgetting: mots"),
        ({"forgetting": {"most": "much"}}, "forgetting: most"),
    ],
)
def test_what_is_unknown_or_malformed_is_named(told: dict[str, dict[str, object]], says: str) -> None:
    with pytest.raises(ExamFailed, match=says):
        exams_of(ExamPlan(exams=told))


def test_an_exam_that_was_not_held_is_no_pass() -> None:
    exams = exams_of(ExamPlan(exams={"wins": {}}))
    (condition,) = conditions_of(exams, {"wins": Findings()}, {})
    assert (condition.passed, condition.reason) == (False, "wins.not_held")


def test_exams_that_judge_say_on_whose_word() -> None:
    told = {"wins": {}, "forgetting": {}, "safety": {"policy": "guards/policy/bundled/default.yaml"}}
    judges = judges_of(exams_of(ExamPlan(exams=told)))
    assert judges["wins"] == ("wording",)
    assert "guard:harmful-replies" in judges["safety"]
    assert "forgetting" not in judges
