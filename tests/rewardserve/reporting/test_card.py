"""Figures of a reward model on pairs whose rewards are known."""

import pytest

from rewardserve.figures import share
from rewardserve.pairs import LabelledPair
from rewardserve.reporting.card import alike, told
from rewardserve.reporting.page import page_of
from rewardserve.scored_pairs import ScoredPair, score_pairs
from tests.fakes.scorer import FakeScorer

ASKED = ({"role": "user", "content": "How?"},)


def scored(subset: str, chosen: float, rejected: float, words: tuple[int, int] = (10, 10)) -> ScoredPair:
    pair = LabelledPair(ASKED, "w " * words[0], "w " * words[1], subset)
    return ScoredPair(pair, chosen, rejected)


ROWS = [
    *[scored("chat", 2, 1, (20, 10))] * 6,
    *[scored("chat", 1, 2)] * 2,
    *[scored("<safety>", 1, 1, (10, 11))] * 2,
]


def test_accuracy_by_subset_counts_a_tie_as_half() -> None:
    made = told("rm", ROWS, 3)
    assert made["all"]["accuracy"]["value"] == pytest.approx(0.7)
    assert made["subsets"]["chat"]["accuracy"]["value"] == 0.75
    assert made["subsets"]["<safety>"]["accuracy"]["value"] == 0.5
    assert made["mean_of_subsets"]["value"] == pytest.approx(0.625)
    assert made["refused"] == 3


def test_pairs_of_one_length_are_told_apart() -> None:
    made = told("rm", ROWS, 0)["all"]
    assert made["accuracy_length_matched"]["value"] == pytest.approx(0.25)
    assert made["accuracy_length_matched"]["values"] == 4
    assert made["longer_chosen"]["value"] == pytest.approx(0.6)


def test_lengths_are_alike_within_a_tenth() -> None:
    assert alike(10, 11)
    assert not alike(10, 12)


def test_wilsons_interval_is_the_published_one() -> None:
    found = share([1.0] * 8 + [0.0] * 2)  # Wilson 1927: 0.490 to 0.943
    assert (round(found.low, 3), round(found.high, 3)) == (0.490, 0.943)


def test_the_page_needs_nothing_beside_it() -> None:
    page = page_of(told("rm", ROWS, 0), ROWS)
    assert page.count("<svg") == 3
    assert "&lt;safety&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_pairs_that_the_model_cannot_read_are_counted() -> None:
    pairs = [LabelledPair(ASKED, "good", "x"), LabelledPair(ASKED, "word " * 200, "x")]
    found = score_pairs(FakeScorer(), pairs)
    assert [(one.chosen, one.rejected) for one in found.pairs] == [(4.0, 1.0)]
    assert found.refused == 1
