"""How deep a JSON value nests, whatever holds it."""

import orjson
import pytest

from gateway.nesting import DEEPEST, nests_beyond, nests_too_deeply


@pytest.mark.parametrize("holder", ["[%s]", '{"a": %s}', '[1, {"b": 2, "a": [%s]}]'])
def test_the_deepest_branch_counts(holder: str) -> None:
    value = orjson.loads(holder % (holder % "1"))
    levels = 2 * holder.count("[") + 2 * holder.count("{")
    assert nests_beyond(value, levels - 1)
    assert not nests_beyond(value, levels)


def test_many_beside_each_other_are_not_deep() -> None:
    raw = b"[" + b",".join([b"[]"] * 1000) + b"]"
    assert not nests_too_deeply(raw, orjson.loads(raw))


def test_what_may_come_in_can_be_written_with_more_around_it() -> None:
    raw = b"[" * DEEPEST + b"]" * DEEPEST
    value = orjson.loads(raw)
    assert not nests_too_deeply(raw, value)
    assert orjson.dumps([[[value]]])


def test_one_level_more_is_too_deep() -> None:
    raw = b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1)
    assert nests_too_deeply(raw, orjson.loads(raw))


def test_what_holds_nothing_nests_no_level() -> None:
    assert not nests_beyond("[[[", 0)
