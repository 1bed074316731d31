"""What a row means, and what is said of one that means nothing."""

import pytest

from guards.scoring.rows import BadRow, read_row, row_of
from guards.verdict import Segment


@pytest.mark.parametrize(
    ("direction", "where", "part"),
    [
        ("prompt", "prompt", "content"),
        ("tool_result", "prompt", "tool_result"),
        ("reply", "reply", "content"),
        ("tool_call", "reply", "tool_arguments"),
        ("reasoning", "reply", "reasoning"),
    ],
)
def test_a_text_stands_where_its_direction_says(direction: str, where: str, part: str) -> None:
    row = row_of({"text": "x", "direction": direction}, 1)
    assert row.segments == (Segment("x", where, part),)
    assert row.direction == direction


def test_a_reply_may_bring_the_request_that_it_answers() -> None:
    row = row_of({"text": "Sure.", "direction": "reply", "asked": "Help?"}, 1)
    assert row.context.request == "Help?"


def test_of_a_conversation_the_last_turn_is_judged_with_those_before() -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"text": "Hello"}]}]
    row = row_of({"messages": turns}, 1)
    assert row.segments == (Segment("Hello", "reply"),)
    assert row.context.turns == (("user", "Hi"),)


def test_a_prompt_stands_in_its_own_conversation_as_it_does_in_the_gateway() -> None:
    row = row_of({"messages": [{"role": "user", "content": "Hi"}]}, 1)
    assert row.context.turns == (("user", "Hi"),)


def test_a_direction_picks_from_a_reply_of_several_texts() -> None:
    call = {"function": {"name": "pay", "arguments": "{}"}}
    last = {"role": "assistant", "content": "Paying.", "tool_calls": [call]}
    row = row_of({"messages": [last], "direction": "tool_call"}, 1)
    assert [segment.part for segment in row.segments] == ["tool_name", "tool_arguments"]


@pytest.mark.parametrize(
    "tools",
    [
        ["search", "pay"],
        [{"type": "function", "function": {"name": "search"}}, {"name": "pay", "input_schema": {}}],
        ["search", {"type": "custom", "custom": {"name": "pay"}}],
    ],
)
def test_a_row_names_the_tools_that_were_offered(tools) -> None:
    call = {"text": "{}", "direction": "tool_call", "tool": "pay"}
    assert row_of(call | {"tools": tools}, 1).context.tools == {"search", "pay"}
    assert row_of(call, 1).context.tools == frozenset()


def test_a_row_without_an_id_is_known_by_its_line() -> None:
    assert read_row(b'{"text": "x"}', 7).id == 7


def test_what_only_python_reads_is_read() -> None:
    assert read_row(b'{"text": "\\ud800"}', 1).segments[0].text == "\ud800"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"nonsense", "line"),
        (b"[1]", "line"),
        (b"[" * 100_000, "line"),
        (b"{}", "text"),
        (b'{"text": "a", "messages": []}', "text"),
        (b'{"text": 5}', "text"),
        (b'{"text": "a", "id": []}', "id"),
        (b'{"text": "a", "direction": "up"}', "direction"),
        (b'{"text": "a", "asked": "b"}', "asked"),
        (b'{"text": "a", "tools": "search"}', "tools"),
        (b'{"text": "a", "tools": ["search", {"function": {}}]}', "tools.1"),
        (b'{"messages": []}', "messages"),
        (b'{"messages": [5]}', "messages.0"),
        (b'{"messages": [{"role": "user", "content": 5}]}', "messages.0.content"),
        (b'{"messages": [{"role": "assistant"}]}', "messages.0"),
        (b'{"messages": [{"role": "user", "content": "a"}], "direction": "reply"}', "direction"),
        (b'{"messages": [{"role": "assistant", "tool_calls": [5]}]}', "messages.0.tool_calls"),
    ],
)
def test_a_bad_row_names_the_field_and_quotes_nothing(line: bytes, field: str) -> None:
    with pytest.raises(BadRow) as caught:
        read_row(line, 1)
    assert caught.value.field == field
    assert "nonsense" not in str(caught.value)


def test_a_bad_row_keeps_its_id() -> None:
    with pytest.raises(BadRow) as caught:
        read_row(b'{"id": "a", "text": 5}', 1)
    assert caught.value.row_id == "a"
