"""Who holds what, and in which order it comes to that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.weights.plan import Move, allotted, between, moves, needed
from gateway.errors import Conflict


def test_everybody_gets_the_only_weights():
    assert moves({"a": "old", "b": "old"}, {"new": 1.0}) == [Move("a", "new"), Move("b", "new")]


def test_who_holds_what_is_needed_keeps_it():
    assert moves({"a": "old", "b": "new"}, {"new": 1.0}) == [Move("a", "new")]


def test_a_small_share_still_gets_an_engine():
    assert moves({"a": "old", "b": "old"}, {"old": 0.99, "new": 0.01}) == [Move("b", "new")]


def test_engines_that_hold_nothing_go_first():
    assert moves({"a": "old", "b": None}, {"new": 1.0})[0] == Move("b", "new")


def test_more_weights_than_engines_are_refused():
    with pytest.raises(Conflict, match="as many engines"):
        moves({"a": "old"}, {"old": 0.5, "new": 0.5})


def test_engines_that_are_not_managed_hold_what_they_started_with():
    assert moves({"a": "default"}, {"default": 0.5, "new": 0.5}, "default") == [Move("a", "new")]


def test_adapters_need_what_engines_started_with():
    aliases = {"x": {"adapter": 0.5, "full": 0.5}, "y": {"base": 1.0}}
    needs = {"adapter": "default", "base": "default", "full": "full"}
    assert needed(aliases, needs) == {"default": 1.5, "full": 0.5}


def test_weights_on_the_way_lie_between():
    assert between({"old": 1.0}, {"new": 1.0}, 0.25) == {"old": 0.75, "new": 0.25}
    assert between({"old": 1.0}, {"new": 1.0}, 1.0) == {"new": 1.0}


@given(
    st.integers(1, 12),
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 3.0), min_size=1, max_size=4),
)
def test_every_engine_is_allotted_and_every_weights_have_one(engines, wanted):
    if engines < len(wanted):
        with pytest.raises(Conflict):
            allotted(engines, wanted)
        return
    counts = allotted(engines, wanted)
    assert sum(counts.values()) == engines
    assert all(counts[each] >= 1 for each in wanted)


@given(
    st.dictionaries(st.text("rstuv", min_size=1, max_size=3), st.sampled_from(["a", "b", None]), min_size=2),
    st.dictionaries(st.sampled_from("ab"), st.floats(0.01, 1.0), min_size=1),
)
def test_once_moved_nothing_is_left_to_move(held, wanted):
    after = held | {each.replica: each.weights for each in moves(held, wanted)}
    assert moves(after, wanted) == []
