"""Inference-time pessimism: the weights solve their equation, and follow the reward."""

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.strategies.contract import Knobs
from gateway.strategies.pessimism import Pessimism, drawn, pessimistic
from tests.gateway.strategies.candidates import candidate

REWARDS = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


@given(REWARDS, st.floats(0.01, 50))
def test_the_weights_solve_their_equation(rewards: list[float], beta: float) -> None:
    """For some λ, each weight is max(0, reward − λ)/β and their mean is 1."""
    found = pessimistic(rewards, beta)
    assert math.isclose(sum(found), 1.0)
    kept = [(reward, chance) for reward, chance in zip(rewards, found, strict=True) if chance > 0]
    floors = [reward - chance * len(rewards) * beta for reward, chance in kept]
    assert max(floors) - min(floors) < 1e-6
    assert all(
        reward <= max(floors) + 1e-6 for reward, chance in zip(rewards, found, strict=True) if not chance
    )


@given(REWARDS)
def test_without_regularisation_to_speak_of_the_best_wins(rewards: list[float]) -> None:
    assume(len({round(reward, 2) for reward in rewards}) == len(rewards))
    found = pessimistic(rewards, 1e-6)
    assert found[rewards.index(max(rewards))] > 0.999


@given(REWARDS)
def test_with_much_of_it_all_are_alike(rewards: list[float]) -> None:
    assert all(math.isclose(each, 1 / len(rewards), rel_tol=0.01) for each in pessimistic(rewards, 1e6))


@given(st.floats(0.0001, 0.9999))
def test_a_draw_lands_where_the_chance_says(chance: float) -> None:
    assert drawn([5, 6, 7], [0.2, 0.5, 0.3], chance) == (5 if chance < 0.2 else 6 if chance < 0.7 else 7)


def test_the_drawn_one_comes_first_and_the_others_by_reward() -> None:
    candidates = [candidate(index, float(index)) for index in range(4)]
    seeds = [str(number) for number in range(50)]
    found = {Pessimism().choose(candidates, 4, Knobs(temperature=10.0, seed=seed)).winners for seed in seeds}
    assert {winners[0] for winners in found} == {0, 1, 2, 3}
    assert all(list(winners[1:]) == sorted(winners[1:], reverse=True) for winners in found)
