"""When to stop drawing: as good as the best of n, with fewer draws."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.adaptive import Route, best_of, enough, most, wave
from gateway.strategies.memory import Moments
from gateway.strategies.normal import expected_best, mean_above, threshold_for


@pytest.mark.parametrize(("n", "best"), [(1, 0.0), (2, 0.564), (8, 1.424), (16, 1.766), (32, 2.070)])
def test_the_expected_best_of_n_is_that_of_the_tables(n: int, best: float) -> None:
    assert expected_best(n) == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize("n", [2, 4, 8, 16, 64])
def test_the_first_above_the_threshold_is_as_good_as_the_best_of_n(n: int) -> None:
    assert mean_above(threshold_for(n)) == pytest.approx(expected_best(n), abs=1e-6)


def drawn(n: int, moments: Moments, draw: Callable[[], float]) -> list[float]:
    rewards: list[float] = []
    while (size := wave(len(rewards), most(n, 64), 2)) and not enough(rewards, n, moments.route):
        rewards += [draw() for _ in range(size)]
    return rewards


def trials(
    n: int, prompt: Callable[[random.Random], Callable[[], float]], count: int = 1500
) -> tuple[float, float]:
    """How much better than the best of n, and the share of draws, once a route is known."""
    rng, moments = random.Random(1), Moments()
    for _ in range(200):
        draw = prompt(rng)
        moments.learn([draw() for _ in range(4)])
    found = []
    for _ in range(count):
        draw = prompt(rng)
        rewards = drawn(n, moments, draw)
        found.append((max(rewards) - max(draw() for _ in range(n)), len(rewards) / n))
    return sum(each for each, _ in found) / count, sum(each for _, each in found) / count


def saturated(rng: random.Random) -> Callable[[], float]:
    """Rewards with a ceiling, as those of answers that are either right or wrong."""
    share = rng.uniform(0.2, 0.6)
    return lambda: (2.7 + rng.gauss(0, 0.1) if rng.random() < share else rng.gauss(-2.5, 0.5)) / 2.5


def spread(between: float) -> Callable[[random.Random], Callable[[], float]]:
    """Normal rewards of prompts that differ by so much."""

    def prompt(rng: random.Random) -> Callable[[], float]:
        mean = rng.gauss(0, between)
        return lambda: rng.gauss(mean, 1.0)

    return prompt


def test_where_rewards_have_a_ceiling_it_is_as_good_for_a_quarter_less() -> None:
    better, share = trials(16, saturated)
    assert better >= -0.02
    assert share <= 0.75


@pytest.mark.parametrize("between", [0.0, 1.0, 3.0])
def test_where_rewards_are_normal_it_loses_little_for_less(between: float) -> None:
    better, share = trials(16, spread(between))
    assert better >= -0.25
    assert share <= 0.9


@pytest.mark.parametrize("seed", range(20))
def test_what_is_enough_does_not_hang_on_the_rewards_unit(seed: int) -> None:
    pool = np.sort(np.random.default_rng(seed).normal(size=60))
    rewards = [float(each) for each in np.random.default_rng(seed + 100).normal(size=6)]
    plain = Route(pool, float(pool.mean()), 0.5, 1.0)
    other = Route(4 * pool + 8, 4 * float(pool.mean()) + 8, 2.0, 4.0)
    assert enough(rewards, 8, plain) == enough([4 * each + 8 for each in rewards], 8, other)


def test_nothing_is_enough_while_one_reward_alone_is_known() -> None:
    assert not enough([7.0], 4, None)


def test_before_a_route_is_known_a_reward_far_above_its_siblings_is_enough() -> None:
    assert enough([0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 9.0], 4, None)
    assert not enough([0.0, 0.1, 0.2, 0.3], 16, None)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.integers(1, 40))
def test_the_best_of_n_of_known_rewards_lies_between_their_mean_and_their_best(
    rewards: list[float], n: int
) -> None:
    pool = np.sort(np.array(rewards))
    assert pool.mean() - 1e-6 <= best_of(pool, n) <= pool[-1] + 1e-6


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 8))
def test_a_wave_never_draws_past_the_limit(drawn_before: int, limit: int, size: int) -> None:
    if drawn_before <= limit:
        assert 0 <= wave(drawn_before, limit, size) <= limit - drawn_before


def test_the_limit_is_within_the_bounds() -> None:
    assert (most(16, 20), most(4, 64), most(1, 64)) == (20, 16, 1)
