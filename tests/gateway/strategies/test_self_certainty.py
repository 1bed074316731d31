"""Self-certainty: how far from even the alternatives of each token are; its votes by rank."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.self_certainty import SelfCertainty, borda, certainty
from tests.gateway.strategies.candidates import candidate, saying

LOGPROBS = st.lists(st.floats(-15, 0), min_size=2, max_size=20)


@given(st.lists(LOGPROBS, min_size=1, max_size=10))
def test_certainty_is_a_divergence(tokens: list[list[float]]) -> None:
    found = certainty(tokens)
    assert found is not None
    assert found >= 0.0


@given(st.integers(2, 20), st.floats(-10, 0))
def test_even_alternatives_are_worth_nothing(count: int, logprob: float) -> None:
    assert certainty([[logprob] * count]) == pytest.approx(0.0, abs=1e-9)


@given(LOGPROBS, st.floats(-3, 3))
def test_only_the_alternatives_shares_count(logprobs: list[float], more: float) -> None:
    """A distribution of which the tail was cut off is judged by what is left of it."""
    assert certainty([[each + more for each in logprobs]]) == pytest.approx(certainty([logprobs]), abs=1e-6)


def test_it_is_the_divergence_of_the_formula() -> None:
    p = [0.7, 0.2, 0.1]
    exact = sum((1 / 3) * math.log((1 / 3) / each) for each in p)
    assert certainty([[math.log(each) for each in p]]) == pytest.approx(exact)


def test_what_is_impossible_counts_as_very_unlikely() -> None:
    assert certainty([[0.0, -9999.0]]) == certainty([[0.0, -20.0]])


@pytest.mark.parametrize("tokens", [[], [[]], [[-0.1]]])
def test_nothing_is_known_of_tokens_without_alternatives(tokens: list[list[float]]) -> None:
    assert certainty(tokens) is None


def test_the_surest_wins_where_answers_do_not_compare() -> None:
    candidates = [candidate(0, 9.0, certainty=1.0), candidate(1, 1.0, certainty=2.0), candidate(2)]
    candidates = [replace(each, text="Well.") for each in candidates]
    choice = SelfCertainty().choose(candidates, 3)
    assert choice.winners == (1, 0, 2)
    assert choice.why == "The surest, 2, of 3 safe candidates among 3."


def test_many_that_are_less_sure_outvote_the_surest() -> None:
    said = saying("1", "2", "2", "2")
    candidates = [replace(each, certainty=float(10 - each.index)) for each in said]
    choice = SelfCertainty().choose(candidates, 2)
    assert choice.winners == (1, 0)
    assert choice.why == "The answer with 67% of the votes by certainty of 4 safe candidates."


def test_a_higher_rank_is_a_larger_vote() -> None:
    votes = borda([2, 0, 1], {0: "a", 1: "b", 2: "c"})
    assert votes["c"] > votes["a"] > votes["b"]
    assert borda([0], {0: None})[None] == 0.0


def test_without_certainty_rewards_decide_and_it_says_so() -> None:
    choice = SelfCertainty().choose([candidate(0, 1.0), candidate(1, 2.0)], 1)
    assert choice.winners == (1,)
    assert choice.why.startswith("The engine told no logprobs to be sure by. The highest reward")
