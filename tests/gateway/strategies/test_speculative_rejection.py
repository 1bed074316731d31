"""Which beginnings go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.speculative_rejection import places, survivors, trusted

PARTIAL = st.dictionaries(st.integers(0, 31), st.floats(-10, 10), min_size=1)


@given(PARTIAL, st.integers(1, 4), st.floats(0.1, 0.9))
def test_who_goes_on_began_no_worse_than_who_does_not(
    partial: dict[int, float], returned: int, keep: float
) -> None:
    going = survivors(partial, [], returned, keep)
    cut = partial.keys() - set(going)
    assert len(going) >= min(returned, len(partial))
    assert not cut or min(partial[index] for index in going) >= max(partial[index] for index in cut)


@given(PARTIAL, st.floats(0.1, 0.9))
def test_what_has_ended_stays_in_the_ranking(partial: dict[int, float], keep: float) -> None:
    ended = sorted(partial)[:1]
    assert set(ended) <= set(survivors(partial, ended, 1, keep))


def test_of_equals_the_first_goes_on() -> None:
    assert survivors({0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}, [], 1, 0.5) == [0, 1]


@pytest.mark.parametrize(
    ("correlation", "pairs", "trust"),
    [(0.8, 100, True), (0.39, 100, False), (0.8, 3, False), (None, 0, False)],
)
def test_beginnings_are_trusted_once_they_have_told_of_ends(
    correlation: float | None, pairs: int, trust: bool
) -> None:
    assert trusted(correlation, pairs) is trust


def test_checkpoints_stand_apart_even_in_the_shortest_answer() -> None:
    assert places((0.25, 0.5), 100) == (25, 50)
    assert places((0.25, 0.5, 0.6), 2) == (1, 2, 3)
