"""The dial: weighted z-scores of reward heads, against frozen references or the request's own candidates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import Knobs, Reference
from gateway.strategies.dial import missing, spread_of, worths
from guards.verdict import Action
from tests.gateway.strategies.candidates import candidate

HEADS = [
    {"safety": 0.0, "helpfulness": 4.0},
    {"safety": 1.0, "helpfulness": 3.0},
    {"safety": 5.0, "helpfulness": 0.0},
]
CANDIDATES = [candidate(index, 1.0, heads=heads) for index, heads in enumerate(HEADS)]


def winner(**dial: float) -> int:
    return BestOfN().choose(CANDIDATES, 1, Knobs(dial=dial)).winners[0]


def test_the_head_that_weighs_most_decides() -> None:
    assert (winner(safety=1.0), winner(helpfulness=1.0)) == (2, 0)


def test_a_mixture_can_be_won_by_the_second_best_of_each() -> None:
    assert winner(safety=0.2, helpfulness=1.0) != winner(safety=1.0, helpfulness=0.2)
    assert (
        "mixture of rewards by the dial" in BestOfN().choose(CANDIDATES, 1, Knobs(dial={"safety": 1.0})).why
    )


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9), st.floats(0.1, 1), st.floats(0.1, 1))
def test_the_more_a_head_weighs_the_more_of_it_wins(values: list[float], one: float, other: float) -> None:
    candidates = [candidate(i, 0.0, heads={"a": value, "b": -value / 2}) for i, value in enumerate(values)]
    low, high = sorted([one, other])

    def won(weight: float) -> float:
        dial = {"a": weight, "b": 0.5}
        return values[BestOfN().choose(candidates, 1, Knobs(dial=dial)).winners[0]]

    assert won(low) <= won(high)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=9), st.floats(0.1, 9), st.floats(-99, 99))
def test_the_scale_of_a_head_does_not_matter(values: list[float], scale: float, shift: float) -> None:
    plain = [candidate(i, 0.0, heads={"a": value}) for i, value in enumerate(values)]
    moved = [candidate(i, 0.0, heads={"a": value * scale + shift}) for i, value in enumerate(values)]
    knobs = Knobs(dial={"a": 1.0})
    if spread_of(values).sd > 1e-3:
        assert worths(moved, knobs) == pytest.approx(worths(plain, knobs), abs=1e-6)


def test_frozen_references_come_before_the_requests_own_spread() -> None:
    knobs = Knobs(dial={"safety": 0.5}, references={"safety": Reference(1.0, 2.0)})
    assert worths(CANDIDATES, knobs) == [-0.25, 0.0, 1.0]


def test_a_head_in_which_all_agree_says_nothing() -> None:
    assert worths(CANDIDATES, Knobs(dial={"reward": 1.0})) == [0.0, 0.0, 0.0]


def test_brevity_needs_no_reward_model_with_heads() -> None:
    candidates = [candidate(0, 1.0, text="a long and rambling answer"), candidate(1, 1.0, text="short")]
    assert BestOfN().choose(candidates, 1, Knobs(dial={"brevity": 0.1, "reward": 1.0})).winners == (1,)


def test_a_head_that_the_model_lacks_is_named_and_the_plain_reward_decides() -> None:
    assert missing(CANDIDATES, {"honesty": 1.0, "safety": 1.0, "grace": 0.0}) == ["honesty"]
    candidates = [candidate(0, 1.0), candidate(1, 2.0)]
    assert BestOfN().choose(candidates, 1, Knobs(dial={"honesty": 1.0})).winners == (1,)


def test_heads_of_the_withheld_need_not_be_known() -> None:
    assert not missing([*CANDIDATES, candidate(3, None, Action.REFUSE)], {"safety": 1.0})
