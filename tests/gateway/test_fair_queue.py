"""The queue in which keys take turns."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fair_queue import FairQueue

KEYS = st.lists(st.sampled_from("abc"), max_size=30)


def filled(keys: list[str]) -> FairQueue[tuple[str, int]]:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number, key in enumerate(keys):
        queue.put(key, (key, number))
    return queue


@given(KEYS)
def test_everybody_has_a_turn_and_a_keys_own_order_is_kept(keys: list[str]) -> None:
    queue = filled(keys)
    served = [queue.take() for _ in range(len(queue))]
    assert sorted(number for _, number in served) == list(range(len(keys)))
    for key in "abc":
        own = [number for name, number in served if name == key]
        assert own == sorted(own)


@given(KEYS)
def test_nobody_waits_for_more_than_one_turn_of_every_other_key(keys: list[str]) -> None:
    queue = filled(keys)
    served = [queue.take()[0] for _ in range(len(queue))]
    for place, key in enumerate(served):
        since = place - 1
        while since >= 0 and served[since] != key:
            since -= 1
        assert max(Counter(served[since + 1 : place]).values(), default=0) <= 1


@given(KEYS, st.data())
def test_who_leaves_is_served_no_more_and_costs_nobody_a_place(keys: list[str], data: st.DataObject) -> None:
    queue, everybody = filled(keys), list(enumerate(keys))
    leaving = data.draw(st.lists(st.sampled_from(everybody))) if everybody else []
    for number, key in leaving:
        queue.drop(key, (key, number))
    staying = {number for number, _ in everybody} - {number for number, _ in leaving}
    assert len(queue) == len(staying)
    assert {queue.take()[1] for _ in range(len(queue))} == staying


def test_the_longest_line_makes_way_with_its_newest() -> None:
    queue = filled(["a", "a", "a", "b"])
    assert queue.make_way("c") == ("a", 2)
    assert len(queue) == 3


@pytest.mark.parametrize(("waiting", "key"), [(["a"], "b"), (["a", "b"], "c"), (["a", "a"], "a"), ([], "a")])
def test_nobody_makes_way_for_a_key_that_would_wait_as_long(waiting: list[str], key: str) -> None:
    queue = filled(waiting)
    assert queue.make_way(key) is None
    assert len(queue) == len(waiting)
