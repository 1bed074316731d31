"""Strengths from comparisons."""

import math
from itertools import combinations

import pytest

from rewardserve.bradley_terry import Comparison, strengths

TRUE = [1.5, 0.25, -0.5, -1.25]


def chance(first: int, second: int) -> float:
    return 1 / (1 + math.exp(TRUE[second] - TRUE[first]))


def test_strengths_come_back_from_the_chances_that_they_make() -> None:
    met = [Comparison(i, j, chance(i, j)) for i, j in combinations(range(4), 2)] * 400
    assert strengths(4, met) == pytest.approx(TRUE, abs=0.01)


def test_the_order_within_a_pair_does_not_matter() -> None:
    met = [Comparison(i, j, chance(i, j)) for i, j in combinations(range(4), 2)]
    turned = [Comparison(one.second, one.first, 1 - one.first_wins) for one in met]
    assert strengths(4, turned) == pytest.approx(strengths(4, met))


def test_one_that_always_wins_stays_finite() -> None:
    first, second = strengths(2, [Comparison(0, 1, 1.0)] * 50)
    assert 1 < first < 20
    assert first == pytest.approx(-second)


def test_those_that_met_only_one_anchor_are_ordered_by_how_they_did() -> None:
    found = strengths(4, [Comparison(0, other, chance(0, other)) for other in (1, 2, 3)])
    assert sorted(found, reverse=True) == found


def test_nobody_and_one_alone() -> None:
    assert strengths(0, []) == []
    assert strengths(1, []) == [0.0]
