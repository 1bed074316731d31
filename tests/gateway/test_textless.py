"""What says nothing in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.textless import textless

NUMBERS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)


@given(st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_numbers_say_nothing(value: Any) -> None:
    assert textless({"a_number": value})


@given(st.recursive(NUMBERS | st.just("words"), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_a_string_is_found_wherever_it_stands(value: Any) -> None:
    assert textless(value) == ("words" not in repr(value))


@pytest.mark.parametrize("name", ["two words", "", "世界", "x" * 41, "5"])
def test_a_name_that_no_program_would_use_is_text(name: str) -> None:
    assert not textless({name: 1})


def test_nesting_beyond_reason_is_not_looked_through() -> None:
    deep: Any = []
    for _ in range(2000):
        deep = [deep]
    assert not textless(deep)
