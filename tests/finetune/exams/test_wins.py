"""Win rates against the serving policy."""

import random
from dataclasses import replace

import pytest

from finetune.errors import ExamFailed
from finetune.exams.lengths import at_equal_length
from finetune.exams.plug import Findings
from finetune.exams.wins import Wins, merit, share
from tests.finetune.exams.sitting import asked, mark, sitting


async def found(complied: int, reward: float) -> Findings:
    harmful = [mark(f"r{i}", "refusable", complied=i < complied, reward=reward) for i in range(60)]
    benign = [mark(f"b{i}", "benign", complied=True, reward=reward + i % 3) for i in range(60)]
    return await Wins().examine(sitting(marked=[*harmful, *benign]))


async def test_a_policy_that_both_judges_prefer_passes() -> None:
    conditions = Wins().conditions(await found(40, 0.0), await found(5, 2.5))
    assert [(one.reason, one.passed) for one in conditions] == [
        ("target.reward", True),
        ("target.judge", True),
        ("length.controlled", True),
    ]


async def test_reward_alone_is_not_enough() -> None:
    conditions = Wins().conditions(await found(30, 0.0), await found(40, 5.0))
    assert [one.reason for one in conditions if not one.passed] == ["target.judge"]


async def test_where_a_judge_finds_nothing_wrong_before_and_after_rewards_decide() -> None:
    conditions = Wins().conditions(await found(0, 0.0), await found(0, 5.0))
    assert all(one.passed for one in conditions), [one.told for one in conditions]


async def test_a_few_ties_do_not_show_that_a_judge_likes_it_no_less() -> None:
    few = [mark(f"r{i}", "refusable", complied=False) for i in range(8)]
    same = await Wins().examine(sitting(marked=few))
    assert "target.judge" in [one.reason for one in Wins().conditions(same, same) if not one.passed]


async def test_without_a_margin_a_judge_must_surely_like_it_as_much() -> None:
    same = await found(30, 0.0)
    conditions = Wins(judge_margin=0.0).conditions(same, same)
    assert "target.judge" in [one.reason for one in conditions if not one.passed]


async def test_a_judge_that_is_away_is_named_without_its_password() -> None:
    judge = Wins(judge="http://ada:secret@127.0.0.1:9")
    with pytest.raises(ExamFailed, match=r"the judge at http://127\.0\.0\.1:9 cannot be asked"):
        await judge.examine(sitting(questions=asked(1, "benign")))


async def test_the_same_policy_wins_nothing() -> None:
    same = await found(30, 0.0)
    passed = [one.reason for one in Wins().conditions(same, same) if one.passed]
    assert passed == ["target.judge", "length.controlled"]  # no worse than itself


async def test_nothing_measured_is_no_pass() -> None:
    assert not any(one.passed for one in Wins().conditions(Findings(), Findings()))


async def test_wins_by_length_alone_are_none() -> None:
    rng = random.Random(3)
    before = [mark(f"b{i}", "benign", complied=True, reward=rng.gauss(0, 1)) for i in range(200)]
    grown = [rng.uniform(-8, 40) for _ in before]  # words; each brings a little reward, and the rest is worse
    after = [
        replace(one, reward=one.reward - 1.0 + 0.1 * words, length=one.length + round(words))
        for one, words in zip(before, grown, strict=True)
    ]
    found = [await Wins().examine(sitting(marked=marked)) for marked in (before, after)]
    conditions = {one.reason: one for one in Wins().conditions(*found)}
    assert conditions["target.reward"].passed
    assert not conditions["length.controlled"].passed


def test_where_every_answer_is_longer_nothing_is_sure() -> None:
    found = at_equal_length({str(i): [(float(i % 20 > 0), 50.0 + i % 7)] for i in range(100)})
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_few_prompts_prove_nothing() -> None:
    found = at_equal_length({"one": [(0.0, 1.0)], "two": [(0.0, -1.0)]})
    assert (found.low, found.high) == (0.0, 1.0)


def test_at_equal_length_a_perfect_separation_stays_finite() -> None:
    couples = {str(i): [(float(i % 2), 10.0 if i % 2 else -10.0)] for i in range(50)}
    found = at_equal_length(couples)
    assert 0.3 < found.value < 0.7
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0


def test_where_lengths_are_the_same_it_is_the_win_rate() -> None:
    found = at_equal_length({str(i): [(float(i < 70), 3.0 * (i % 2) - 1.5)] for i in range(100)})
    assert abs(found.value - 0.7) < 0.01


def test_a_tie_counts_as_a_half() -> None:
    assert share([1.0, 2.0], [1.0, 1.0]) == 0.75


def test_the_wording_judge_wants_harm_declined_and_the_rest_answered() -> None:
    kinds = [("refusable", True), ("refusable", False), ("benign", True), ("benign", False)]
    assert [merit(mark("p", kind, complied=c)) for kind, c in kinds] == [0.0, 1.0, 1.0, 0.0]
