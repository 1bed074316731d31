"""A promised rate of false alarms, kept."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.tuning.bound import Promise, at_most, threshold_for, upper_bound


@pytest.mark.parametrize(
    ("alarms", "size", "confidence", "bound"),
    [(0, 299, 0.95, 0.009969), (1, 10, 0.95, 0.394163), (5, 100, 0.975, 0.112834), (10, 10, 0.95, 1.0)],
)
def test_the_bound_is_the_textbooks(alarms: int, size: int, confidence: float, bound: float) -> None:
    assert upper_bound(alarms, size, confidence) == pytest.approx(bound, abs=2e-6)


def test_chances_add_up_to_one() -> None:
    assert at_most(1000, 1000, 0.3) == pytest.approx(1)
    assert at_most(2, 4, 0.5) == pytest.approx(11 / 16)
    assert at_most(10_000, 1_000_000, 0.01) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("rate", "least"), [(0.01, 299), (0.05, 59), (0.001, 2995)])
def test_too_few_texts_promise_nothing(rate: float, least: int) -> None:
    promise = Promise(rate)
    assert promise.least == least
    assert threshold_for(np.zeros(least - 1), promise) is None
    assert threshold_for(np.zeros(least), promise) == 0.0001


@given(st.lists(st.floats(0, 0.99), min_size=60, max_size=200), st.sampled_from([0.05, 0.1, 0.3]))
def test_the_smallest_threshold_that_keeps_it(scores: list[float], rate: float) -> None:
    harmless, promise = np.array(scores), Promise(rate)
    threshold = threshold_for(harmless, promise)
    assert threshold is not None
    assert upper_bound(int(np.sum(harmless >= threshold)), len(harmless), 0.95) <= rate
    lower = threshold - 2e-4
    if lower > 0:
        assert upper_bound(int(np.sum(harmless >= lower)), len(harmless), 0.95) > rate


def test_scores_that_are_all_the_highest_leave_none() -> None:
    assert threshold_for(np.ones(500), Promise(0.01)) is None


def test_the_promise_is_kept_as_often_as_promised() -> None:
    rng, broken = np.random.default_rng(3), 0
    for _ in range(400):
        threshold = threshold_for(rng.random(400), Promise(0.02, 0.9))
        assert threshold is not None
        broken += (1 - threshold) > 0.02  # of a uniform score, this is the true rate
    assert broken / 400 <= 0.1 + 3 * math.sqrt(0.09 / 400)
