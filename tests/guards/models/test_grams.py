"""Hashed n-grams: what counts as the same, and what does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.models.grams import BLOCK_WORDS, BUCKETS, chunks, grams, normal, opening


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
def test_whatever_comes_the_buckets_are_in_range(text: str) -> None:
    found = grams(text)
    assert all(0 <= bucket < BUCKETS for bucket in found)


@given(st.text(alphabet="abXZ 019'`.-_\n\t\x1f\x7f", max_size=40))
def test_plain_text_is_normalised_as_any_other(text: str) -> None:
    assert normal(f"{text} \u00e9") == normal(f"{normal(text).decode()} \u00e9")


def test_blocks_hold_what_begins_in_their_words() -> None:
    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(40)]
    (chunk,) = chunks(" ".join(words))
    assert chunk.size == -(-len(words) // BLOCK_WORDS)
    last = chunk.buckets[chunk.blocks == chunk.size - 1]
    assert set(grams(" ".join(words[32:]))) == set(last)


def test_a_long_text_comes_in_chunks_that_hold_all_its_words() -> None:
    assert sum(chunk.size for chunk in chunks("alpha beta gamma " * 2000)) == 6000 // BLOCK_WORDS


@pytest.mark.parametrize("text", ["a" * 100_000, "\u0301" * 100_000, "\u6f22" * 50_000, "\ud800" * 1000])
def test_text_without_spaces_is_cut_into_words(text: str) -> None:
    assert len(grams(text)) <= 20 * len(text) + 20


def test_a_beginning_differs_from_the_same_words_elsewhere() -> None:
    first = set(opening("Sure, here is how"))
    assert first == set(opening("sure here is how"))
    assert not first & set(grams("sure here is how"))
    assert first - set(opening("I am sorry, but I cannot say how to"))


def test_accents_do_not_matter() -> None:
    assert normal("\u00c9l\u00e8ve \u0439") == normal("eleve \u0438")
