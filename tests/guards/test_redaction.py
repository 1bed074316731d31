"""Cutting spans out: merging, and text left whole around the cuts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from guards.redaction import merged, redacted
from guards.verdict import Redaction

CUTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted).map(lambda two: Redaction(*two, "#"))
)


def test_overlapping_cuts_become_one_with_the_longest_ones_name() -> None:
    assert merged([Redaction(0, 5, "a"), Redaction(3, 12, "b"), Redaction(20, 21, "c")]) == (
        Redaction(0, 12, "b"),
        Redaction(20, 21, "c"),
    )


def test_overlapping_cuts_are_undone_together_or_not_at_all() -> None:
    back, gone = Redaction(0, 5, "a", "mail", True), Redaction(3, 9, "b", "card", False)
    assert merged([back, gone]) == (Redaction(0, 9, "b", "card", False),)
    assert merged([back, Redaction(4, 6, "c", "name", True)]) == (Redaction(0, 6, "a", "mail", True),)


@given(CUTS)
def test_merged_cuts_ascend_never_touch_and_cover_the_same_characters(cuts: list[Redaction]) -> None:
    result = merged(cuts)
    assert {at for cut in result for at in range(cut.start, cut.end)} == {
        at for cut in cuts for at in range(cut.start, cut.end)
    }
    assert all(one.end <= two.start for one, two in pairwise(result))


@given(CUTS)
def test_what_no_cut_covers_stays_in_order(cuts: list[Redaction]) -> None:
    text = "abcdefghijklmnopqrstuvwxyzABCDE"
    covered = {at for cut in cuts for at in range(cut.start, cut.end)}
    assert redacted(text, merged(cuts)).replace("#", "") == "".join(
        char for at, char in enumerate(text) if at not in covered
    )
