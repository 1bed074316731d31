"""Figures and their intervals."""

import numpy as np
import pytest

from guards.measure import area, separation, share, threshold_at


@pytest.mark.parametrize(
    ("harmful", "harmless", "expected"),
    [([3, 4], [1, 2], 1.0), ([1, 2], [3, 4], 0.0), ([1, 1], [1, 1], 0.5), ([1, 3], [2, 2], 0.5)],
)
def test_the_area_counts_pairs_in_the_right_order(
    harmful: list[float], harmless: list[float], expected: float
) -> None:
    assert area(np.array(harmful, float), np.array(harmless, float)) == expected


def test_a_share_of_nothing_is_not_certain() -> None:
    figure = share([False] * 20)
    assert figure.value == 0
    assert figure.low == 0
    assert 0.1 < figure.high < 0.2


def test_an_interval_holds_its_value_and_narrows_with_more_values() -> None:
    rng = np.random.default_rng(1)
    few = separation(rng.normal(1, 1, 40), rng.normal(0, 1, 40))
    many = separation(rng.normal(1, 1, 4000), rng.normal(0, 1, 4000))
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low


def test_the_threshold_lets_the_stated_share_through() -> None:
    scores = np.arange(1000.0)
    assert np.mean(scores > threshold_at(scores, 0.01)) == pytest.approx(0.01, abs=0.001)
