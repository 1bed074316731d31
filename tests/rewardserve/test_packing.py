"""Texts of like length share a pass; nobody is left out, and no pass is over its bound."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardserve.packing import Packing, pack

lengths = st.lists(st.integers(1, 400), min_size=1, max_size=40)
bounds = {"most": st.integers(1, 3000), "before": st.integers(0, 300), "overhead": st.integers(0, 500)}


@given(lengths=lengths, **bounds)
def test_every_text_is_run_once(lengths: list[int], most: int, before: int, overhead: int) -> None:
    packing = pack(lengths, most, before=before, overhead=overhead)
    assert sorted(row for rows in packing.passes for row in rows) == list(range(len(lengths)))


@given(lengths=lengths, **bounds)
def test_no_pass_is_over_its_bound_unless_it_is_one_text(
    lengths: list[int], most: int, before: int, overhead: int
) -> None:
    for rows in pack(lengths, most, before=before, overhead=overhead).passes:
        longest = max(lengths[row] for row in rows)
        assert len(rows) == 1 or len(rows) * (before + longest) <= most


@given(lengths=lengths, overhead=st.integers(0, 500))
def test_it_costs_no_more_than_one_pass_or_one_for_each(lengths: list[int], overhead: int) -> None:
    packing = pack(lengths, 10**9, overhead=overhead)
    assert cost(packing, overhead) <= overhead + len(lengths) * max(lengths)
    assert cost(packing, overhead) <= len(lengths) * overhead + sum(lengths)


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=5), overhead=st.integers(0, 60))
def test_no_other_way_is_cheaper(lengths: list[int], overhead: int) -> None:
    every_way = product(range(len(lengths)), repeat=len(lengths))  # neighbours by length or not
    cheapest = min(cost_of(lengths, labels, overhead) for labels in every_way)
    assert cost(pack(lengths, 10**9, overhead=overhead), overhead) == cheapest


def cost_of(lengths: list[int], labels: tuple[int, ...], overhead: int) -> int:
    """What it costs when texts with the same label share a pass."""
    passes = [[one for one, at in zip(lengths, labels, strict=True) if at == label] for label in set(labels)]
    return sum(overhead + len(one) * max(one) for one in passes)


def cost(packing: Packing, overhead: int) -> int:
    return packing.padded + len(packing.passes) * overhead


def test_equal_lengths_go_together() -> None:
    assert pack([7, 7, 7], 100, overhead=1).passes == ((0, 1, 2),)


def test_a_long_text_does_not_pad_the_short_ones() -> None:
    assert set(pack([10, 500, 11], 10_000, overhead=32).passes) == {(1,), (2, 0)}


@pytest.mark.parametrize(("overhead", "padded"), [(0, 7), (32, 8)])
def test_padding_is_told_apart(overhead: int, padded: int) -> None:
    packing = pack([3, 4], 100, overhead=overhead)
    assert (packing.read, packing.padded) == (7, padded)


def test_what_is_before_takes_room() -> None:
    assert len(pack([4, 4], 40, before=10, overhead=32).passes) == 1
    assert len(pack([4, 4], 40, before=17, overhead=32).passes) == 2
