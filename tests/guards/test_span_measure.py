"""How finds are compared with marks."""

import os
from pathlib import Path

import pytest

from guards.span_measure import measured, of_bundled, of_types
from guards.span_sets import FOLDER, Marked, MarkedText, marked_texts, split_of
from guards.verdict import Span

DATA = Path(os.environ.get("TRIMTAB_DATA", "no such folder"))
with_data = pytest.mark.skipif(
    not (DATA / FOLDER).is_dir(), reason="needs presidio-research-pii under TRIMTAB_DATA"
)


def card(start: int, end: int) -> Span:
    return Span(start, end, "G.pii", "card number")


def text(*marks: tuple[int, int], template: str = "a") -> MarkedText:
    return MarkedText("x" * 50, tuple(Marked(*mark, "CREDIT_CARD") for mark in marks), template)


def test_a_find_at_the_very_place_is_right_either_way() -> None:
    for matching in ("exact", "overlap"):
        one = measured([text((3, 9))], lambda _: [card(3, 9)], matching)["CREDIT_CARD"]
        assert (one.precision.value, one.recall.value, one.f1.value) == (1, 1, 1)


def test_a_find_that_is_off_by_one_only_overlaps() -> None:
    finds = [card(2, 9)]
    assert measured([text((3, 9))], lambda _: finds, "exact")["CREDIT_CARD"].f1.value == 0
    assert measured([text((3, 9))], lambda _: finds, "overlap")["CREDIT_CARD"].f1.value == 1


def test_two_finds_at_one_mark_are_one_right_and_one_wrong() -> None:
    one = measured([text((0, 20))], lambda _: [card(0, 8), card(10, 18)], "overlap")["CREDIT_CARD"]
    assert (one.precision.value, one.recall.value) == (0.5, 1)


def test_what_is_missed_lowers_recall_alone() -> None:
    one = measured([text((0, 5), (10, 15))], lambda _: [card(0, 5)], "exact")["CREDIT_CARD"]
    assert (one.precision.value, one.recall.value) == (1, 0.5)


def test_the_interval_spans_templates() -> None:
    texts = [text((0, 5), template=str(number)) for number in range(20)] + [text((1, 5), template="other")]
    one = measured(texts, lambda _: [card(0, 5)], "exact")["all"].f1
    assert one.low < one.value < one.high == 1


def test_of_two_patterns_at_one_place_the_wider_counts() -> None:
    phones = [Span(0, 9, "G.pii", "phone number"), Span(2, 9, "G.pii", "telephone number by its name")]
    assert of_types(phones) == [Marked(0, 9, "PHONE_NUMBER")]


def test_a_template_is_in_one_split_whatever_fills_it() -> None:
    assert {split_of(f"call {{}} number {number}") for number in range(40)} == {"test", "development"}


@with_data
def test_no_template_of_the_test_texts_was_developed_with() -> None:
    folder = DATA / FOLDER
    templates = [{one.template for one in marked_texts(folder, split)} for split in ("test", "development")]
    assert all(templates)
    assert not templates[0] & templates[1]


@with_data
def test_the_bundled_patterns_mark_what_they_should() -> None:
    figures = of_bundled(DATA)
    assert figures["exact"]["all"]["f1"]["value"] >= 0.95
    assert figures["exact"]["CREDIT_CARD"]["f1"]["value"] >= 0.98
