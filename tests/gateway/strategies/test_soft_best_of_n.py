"""Soft best-of-n: chances by reward, exactly those of the formula, and best-of-n at no temperature."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import Knobs
from gateway.strategies.soft_best_of_n import SoftBestOfN, chances
from tests.gateway.strategies.candidates import candidate

REWARDS = st.lists(st.floats(-1000, 1000), min_size=1, max_size=8)


@given(REWARDS, st.floats(1e-3, 1e6))
def test_chances_add_up_and_follow_the_reward(rewards: list[float], temperature: float) -> None:
    found = chances(rewards, temperature)
    assert math.isclose(sum(found), 1.0)
    assert all(
        a > b or x <= y
        for a, x in zip(rewards, found, strict=True)
        for b, y in zip(rewards, found, strict=True)
    )


@given(REWARDS, st.floats(-1e5, 1e5), st.floats(0.01, 100))
def test_what_is_added_to_every_reward_changes_no_chance(
    rewards: list[float], more: float, temperature: float
) -> None:
    moved = chances([reward + more for reward in rewards], temperature)
    assert all(
        math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6)
        for a, b in zip(chances(rewards, temperature), moved, strict=True)
    )


@given(REWARDS, st.text(max_size=5))
def test_without_a_temperature_it_is_best_of_n(rewards: list[float], seed: str) -> None:
    candidates = [candidate(index, reward) for index, reward in enumerate(rewards)]
    plain = BestOfN().choose(candidates, 2).winners
    assert SoftBestOfN().choose(candidates, 2, Knobs(temperature=0.0, seed=seed)).winners == plain


@given(st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=8, unique=True), st.text(max_size=5))
def test_the_colder_the_nearer_to_best_of_n(rewards: list[float], seed: str) -> None:
    candidates = [candidate(index, reward) for index, reward in enumerate(rewards)]
    cold = SoftBestOfN().choose(candidates, 1, Knobs(temperature=0.005, seed=seed)).winners
    assert cold == BestOfN().choose(candidates, 1).winners


def test_the_draws_have_the_formulas_chances() -> None:
    rewards, temperature, rounds = [0.0, 1.0, 2.5], 1.3, 4000
    candidates = [candidate(index, reward) for index, reward in enumerate(rewards)]
    won = Counter(
        SoftBestOfN().choose(candidates, 1, Knobs(temperature=temperature, seed=str(number))).winners[0]
        for number in range(rounds)
    )
    expected = [rounds * chance for chance in chances(rewards, temperature)]
    chi_square = sum((won[index] - mean) ** 2 / mean for index, mean in enumerate(expected))
    assert chi_square < 13.8  # the 99.9th percentile at two degrees of freedom


def test_it_says_how_likely_the_winner_was() -> None:
    choice = SoftBestOfN().choose([candidate(0, 1.0)], 1, Knobs(temperature=2.0, seed="x"))
    assert (
        choice.why == "Drawn by reward at temperature 2 with a chance of 100.0% among 1 safe candidates of 1."
    )
