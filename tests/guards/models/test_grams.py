"""Hashed n-grams: what counts as the same, and what does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.models.grams import BUCKETS, grams, normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Kill it", "kill it!"),
        ("don't", "dont"),
        ("room 12", "room 345"),
        ("a  b", "a\nb"),
    ],
)
def test_case_punctuation_and_numbers_do_not_matter(one: str, other: str) -> None:
    assert np.array_equal(grams(one), grams(other))


def test_words_are_found_wherever_they_stand() -> None:
    assert len(set(grams("poison the weeds")) - set(grams("so I poison the weeds now"))) == 0


def test_order_matters() -> None:
    assert not np.array_equal(grams("dog bites man"), grams("man bites dog"))


@pytest.mark.parametrize("text", ["", " ", "?!", "\n"])
def test_no_words_no_grams(text: str) -> None:
    assert len(grams(text)) == 0


def test_a_very_long_text_has_the_grams_of_a_short_one() -> None:
    assert set(grams("alpha beta")) <= set(grams("alpha beta " * 3000))


@given(st.text(max_size=60))
def test_whatever_comes_the_buckets_are_in_range_and_distinct(text: str) -> None:
    found = grams(text)
    assert len(np.unique(found)) == len(found)
    assert all(0 <= bucket < BUCKETS for bucket in found)


@given(st.text(alphabet="abXZ 019'`.-_\n\t\x1f\x7f", max_size=40))
def test_plain_text_is_normalised_as_any_other(text: str) -> None:
    assert normal(f"{text} \u00e9") == normal(f"{normal(text).decode()} \u00e9")
