"""Log-probabilities of training held against an engine's."""

import pytest

from finetune.exams.parity import Couple, disparity

SAME = Couple([-0.1] * 6, [-0.1] * 6)


def test_answers_that_agree_are_the_same() -> None:
    assert disparity([SAME, SAME], 0.1, 16) == ""


@pytest.mark.parametrize(
    ("couples", "told"),
    [
        ([], "0 tokens of 0"),
        ([Couple([-0.1] * 6, [])] * 4, "0 tokens of 4"),
        ([SAME, SAME, Couple([-0.1], [])], "of each answer"),
        ([Couple([-0.1], [-0.1])] * 4, "4 tokens of 4"),
        ([SAME, Couple([-0.1] * 6, [-0.4] * 6)], "0.300 nats"),
        ([SAME, Couple([float("nan")] * 6, [-0.4] * 6)], "nan nats"),
        ([SAME, Couple([-0.1] * 6, [-0.1] * 3)], "stops before"),
    ],
)
def test_what_was_not_compared_or_differs_is_told(couples: list[Couple], told: str) -> None:
    assert told in disparity(couples, 0.1, 16)


def test_the_token_that_ends_an_answer_is_not_counted_by_everybody() -> None:
    assert disparity([SAME, Couple([-0.1] * 6, [-0.1] * 5)], 0.1, 16) == ""


def test_where_fewer_tokens_may_be_said_fewer_need_be_compared() -> None:
    assert disparity([Couple([-0.1], [-0.1])] * 4, 0.1, 1) == ""
