"""When to stop drawing: as good as the best of n, with fewer draws."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.adaptive import Prior, enough, most, threshold, wave
from gateway.strategies.normal import expected_best, expected_draws, mean_above, threshold_for


@pytest.mark.parametrize(("n", "best"), [(1, 0.0), (2, 0.564), (8, 1.424), (16, 1.766), (32, 2.070)])
def test_the_expected_best_of_n_is_that_of_the_tables(n: int, best: float) -> None:
    assert expected_best(n) == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize("n", [2, 4, 8, 16, 64])
def test_the_first_above_the_threshold_is_as_good_as_the_best_of_n(n: int) -> None:
    assert mean_above(threshold_for(n)) == pytest.approx(expected_best(n), abs=1e-6)
    assert expected_draws(n) < n


def drawn(n: int, prior: Prior | None, rng: random.Random) -> tuple[float, int]:
    rewards: list[float] = []
    while (size := wave(len(rewards), most(n, 64), 2)) and not enough(rewards, n, prior):
        rewards += [rng.gauss(3.0, 2.0) for _ in range(size)]
    return max(rewards), len(rewards)


def test_with_a_known_spread_the_mean_is_that_of_best_of_n_for_a_quarter_less() -> None:
    rng, prior = random.Random(1), Prior(3.0, 0.01, 2.0)
    trials = [drawn(16, prior, rng) for _ in range(4000)]
    mean = sum(best for best, _ in trials) / len(trials)
    assert (mean - 3.0) / 2.0 >= expected_best(16) - 0.05
    assert sum(count for _, count in trials) / len(trials) <= 0.75 * 16


@given(st.lists(st.floats(-100, 100), max_size=12), st.integers(2, 32))
def test_the_threshold_moves_with_the_rewards_unit(rewards: list[float], n: int) -> None:
    plain, shifted = threshold(rewards, n, None), threshold([2 * each + 5 for each in rewards], n, None)
    assert shifted == pytest.approx(2 * plain + 5, rel=1e-6, abs=1e-6)


def test_nothing_is_enough_while_one_reward_alone_is_known() -> None:
    assert not enough([7.0], 4, None)
    assert threshold([7.0], 4, None) == math.inf


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 8))
def test_a_wave_never_draws_past_the_limit(drawn_before: int, limit: int, size: int) -> None:
    if drawn_before <= limit:
        assert 0 <= wave(drawn_before, limit, size) <= limit - drawn_before


def test_the_limit_is_within_the_bounds() -> None:
    assert (most(16, 20), most(4, 64), most(1, 64)) == (20, 16, 1)
