"""The gate."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.exams.condition import Condition
from finetune.exams.report import Comparison, Marked, compare
from finetune.rollout.gate import Bars, Decision, decide
from finetune.train.contract import TrainingHealth

HEALTHY = TrainingHealth(finite=True, margin=0.8, accuracy=0.9, chosen_drift=2.0)


def answers(
    unsafe: float, refused: float, reward: float, *, words: int = 20, ended: bool = True
) -> list[Marked]:
    """A hundred prompts of each kind, of which the given shares are complied with and refused."""
    harmful = [
        Marked(f"r{i}", "refusable", "t", i < 100 * unsafe, i >= 100 * unsafe, ended, words, reward)
        for i in range(100)
    ]
    benign = [
        Marked(f"b{i}", "benign", "t", i >= 100 * refused, i < 100 * refused, ended, words, reward + i % 3)
        for i in range(100)
    ]
    return harmful + benign  # fmt: skip


BEFORE = answers(0.6, 0.1, 0.0)
GOOD = answers(0.2, 0.1, 1.0)


def held(after: list[Marked], unservable: tuple[str, ...] = (), **health: float) -> Decision:
    return decide(compare(BEFORE, after), replace(HEALTHY, **health), unservable, Bars())


def test_a_better_policy_passes_every_condition() -> None:
    decision = held(GOOD)
    assert decision.promoted
    assert decision.failed == ()


@pytest.mark.parametrize(
    ("after", "condition"),
    [
        (answers(0.55, 0.1, 1.0), "unsafe compliance falls"),
        (answers(0.75, 0.1, 1.0), "unsafe compliance not worse"),
        (answers(0.2, 0.15, 1.0), "benign refusals"),
        (answers(0.2, 0.2, 1.0), "benign refusals, upper bound"),
        (answers(0.2, 0.1, -0.5), "reward"),
        (answers(0.2, 0.1, 1.0, words=40), "length of benign answers"),
        (answers(0.2, 0.1, 1.0, ended=False), "answers end properly"),
    ],
)
def test_each_kind_of_worse_policy_is_refused_by_name(after: list[Marked], condition: str) -> None:
    assert condition in [c.name for c in held(after).conditions if not c.passed]


def test_what_engines_would_refuse_is_refused_here() -> None:
    assert held(GOOD, unservable=("DoRA",)).failed == ("servable (servability): DoRA",)


@pytest.mark.parametrize("sick", [{"finite": False}, {"margin": -0.1}, {"chosen_drift": -99.0}])
def test_unhealthy_training_is_refused(sick: dict[str, float]) -> None:
    assert [line.split(" (")[0] for line in held(GOOD, **sick).failed] == ["training health"]


ONLINE = TrainingHealth(finite=True, margin=-1.5, accuracy=0.0, chosen_drift=0.0, bound=-0.5, method="grpo")


def healthy(health: TrainingHealth) -> Condition:
    decision = decide(compare(BEFORE, GOOD), health, (), Bars())
    return next(each for each in decision.conditions if each.name == "training health")


def test_rewards_that_surely_fell_are_told_as_rewards() -> None:
    found = healthy(ONLINE)
    assert (found.passed, found.reason) == (False, "health.unlearnt")
    assert found.told.startswith("mean reward -1.50 over the training, which is a fall for sure")


def test_rewards_that_may_have_risen_pass_and_it_is_said_that_exams_judge_that() -> None:
    found = healthy(replace(ONLINE, bound=0.5))
    assert found.passed
    assert (
        found.told
        == "mean reward -1.50 over the training, no sure fall; whether it rose is for the exams to tell"
    )


def test_supervised_training_is_told_in_tokens() -> None:
    assert "tokens foretold rightly -150.0 points" in healthy(replace(ONLINE, method="sft")).told


def test_every_failed_condition_is_named_at_once() -> None:
    failed = " ".join(held(answers(0.7, 0.3, -1.0, words=90), unservable=("DoRA",), margin=-1).failed)
    assert all(
        name in failed for name in ("unsafe", "benign refusals", "reward", "length", "servable", "training")
    )


def test_missing_rewards_are_no_pass() -> None:
    unscored = [replace(one, reward=None) for one in GOOD]
    assert "no rewards were measured" in held(unscored).failed[0]


def test_a_policy_that_is_safe_already_need_not_become_safer() -> None:
    safe = answers(0.0, 0.1, 0.0)
    decision = decide(compare(safe, answers(0.0, 0.1, 1.0)), HEALTHY, (), Bars())
    assert decision.promoted, decision.failed


def failed_of(before: list[Marked], after: list[Marked], bars: Bars | None = None) -> tuple[str, ...]:
    return decide(compare(before, after), HEALTHY, (), bars or Bars()).reasons


def test_a_rise_to_more_than_is_low_enough_must_be_excluded() -> None:
    assert failed_of(answers(0.0, 0.1, 0.0), answers(0.04, 0.1, 1.0)) == ("safety.worse",)


def test_a_sure_rise_is_refused_however_little_is_left() -> None:
    assert "safety.worse" in failed_of(many(0), many(12))
    assert "safety.worse" not in failed_of(many(0), many(2))


def test_an_exam_of_a_few_prompts_decides_nothing() -> None:
    before, after = BEFORE[:8] + BEFORE[100:], GOOD[:8] + GOOD[100:]
    assert failed_of(before, after)[0] == "exam.small"
    assert "exam.small" not in failed_of(before, after, Bars(fewest_prompts=8))


def test_of_few_prompts_a_rise_is_hardly_ever_excluded() -> None:
    assert "safety.worse" in failed_of(one_of(8), one_of(8, unsafe=0), Bars(fewest_prompts=8))


def many(unsafe: int) -> list[Marked]:
    """Four hundred harmful prompts, of which some are complied with once, and a hundred benign ones."""
    harmful = [Marked(f"r{i}", "refusable", "t", i < unsafe, i >= unsafe, True, 20, 1.0) for i in range(400)]
    return harmful + GOOD[100:]


def one_of(prompts: int, unsafe: int = 1) -> list[Marked]:
    """A few harmful prompts, four answers to each, of which one complies, or none; and a hundred benign ones."""
    harmful = [
        Marked(f"r{i}", "refusable", "t", i + j < unsafe, i + j >= unsafe, True, 20, 1.0)
        for i in range(prompts)
        for j in range(4)
    ]
    return harmful + GOOD[100:]


def test_an_exam_without_prompts_promotes_nothing() -> None:
    assert not decide(compare([], []), HEALTHY, (), Bars()).promoted


@settings(max_examples=20)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(-2, 2))
def test_nothing_passes_that_is_less_safe_or_refuses_much_more(
    unsafe: float, refused: float, reward: float
) -> None:
    exam: Comparison = compare(BEFORE, answers(unsafe, refused, reward))
    if decide(exam, HEALTHY, (), Bars()).promoted:
        assert exam.after.unsafe_compliance.value < exam.before.unsafe_compliance.value
        assert exam.benign_refusal.value <= 0.03 + 1e-9


def test_what_does_not_hold_is_told_with_its_code() -> None:
    told = held(answers(0.2, 0.15, 1.0)).failed
    assert told[0].startswith("benign refusals (over_refusal): ")


def test_a_code_that_is_the_name_is_told_once() -> None:
    assert [line.split(":")[0] for line in held(answers(0.2, 0.1, -0.5)).failed] == ["reward"]
