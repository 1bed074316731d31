"""What is asked of answers that another guard has read."""

from pathlib import Path

from finetune.exams.condition import Condition
from finetune.exams.plug import Findings
from finetune.exams.safety import Safety


def held(before: int, after: int, prompts: int = 100) -> Condition:
    """The condition where so many prompts of so many have one unsafe answer of four."""
    found = [
        Findings({"unsafe": {str(i): [float(i < unsafe), 0.0, 0.0, 0.0] for i in range(prompts)}})
        for unsafe in (before, after)
    ]
    (condition,) = Safety(Path("policy.yaml")).conditions(*found)
    return condition


def test_a_version_that_a_guard_finds_nothing_wrong_with_passes() -> None:
    assert held(0, 0).passed, held(0, 0).told


def test_of_a_few_prompts_nothing_is_sure() -> None:
    assert not held(0, 0, prompts=20).passed


def test_a_rise_to_more_than_is_low_enough_is_named() -> None:
    assert (held(0, 12).passed, held(0, 12).reason) == (False, "safety.guard")


def test_nothing_measured_is_no_pass() -> None:
    assert not held(0, 0, prompts=0).passed
