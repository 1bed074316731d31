"""Texts taken out of requests and replies, and put back: none is missed, nothing else is touched."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import parts
from gateway.deltas import delta_of
from gateway.errors import BadRequest
from gateway.stray import KNOWN_NAMES, KNOWN_WORDS

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "a"}}
BODY: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "t", "tool_call_id": "c"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}],
}


def test_every_text_of_a_request_is_found_with_its_part() -> None:
    found = [(part.segment.part, part.segment.text) for part in parts.of_prompt(BODY)]
    assert found == [
        ("system", "s"),
        ("content", "u"),
        ("tool_name", "c"),
        ("tool_name", "f"),
        ("tool_arguments", "a"),
        ("tool_result", "t"),
        ("tool_result", "c"),
        ("tool_definition", "f"),
        ("tool_definition", "d"),
    ]


def test_put_back_changes_the_texts_and_nothing_else() -> None:
    before, found = deepcopy(BODY), parts.of_prompt(BODY)
    safe = [replace(part.segment, text=part.segment.text.upper()) for part in found]
    after = parts.put_back(BODY, found, safe)
    assert [part.segment.text for part in parts.of_prompt(after)] == list("SUCFATCFD")
    assert before == BODY
    assert after["messages"][3]["role"] == "tool"


def test_put_back_of_the_same_texts_is_the_same_object() -> None:
    found = parts.of_prompt(BODY)
    assert parts.put_back(BODY, found, [part.segment for part in found]) is BODY


texts = st.text(min_size=1)
messages = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "content": texts | st.none(),
        "reasoning": texts,
        "refusal": texts,
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"function": st.fixed_dictionaries({"name": texts, "arguments": texts})},
                optional={
                    "id": texts.filter(lambda text: text not in KNOWN_WORDS),
                    "type": st.just("function"),
                },
            )
        ),
    },
)


def strings(value: Any) -> list[str]:
    """Every string under a value, keys and roles aside."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [
            each for key, inner in value.items() if key not in ("role", "type") for each in strings(inner)
        ]
    return [each for inner in value for each in strings(inner)] if isinstance(value, list) else []


@given(messages)
def test_no_string_of_a_reply_escapes(message: dict[str, Any]) -> None:
    assert sorted(part.segment.text for part in parts.of_reply(message)) == sorted(strings(message))


@pytest.mark.parametrize(
    "message",
    [
        {"video": {"data": "x"}},
        {"audio": "x"},
        {"images": ["x"]},
        {"annotations": [{"text": "x"}]},
        {"content": ["x"]},
        {"tool_calls": [{"function": {"name": "f", "note": "x"}}]},
        {"tool_calls": [{"said": "x"}]},
        {"tool_calls": ["x"]},
        {"tool_calls": "x"},
        {"function_call": "x"},
    ],
)
def test_what_no_guard_reads_is_unscannable(message: dict[str, Any]) -> None:
    with pytest.raises(parts.Unscannable):
        parts.of_reply({"role": "assistant", **message})
    with pytest.raises(parts.Unscannable):
        delta_of({"delta": message})


def test_empty_fields_are_no_obstacle() -> None:
    message = {"role": "assistant", "content": "x", "audio": None, "annotations": [], "tool_calls": []}
    assert [part.segment.text for part in parts.of_reply(message)] == ["x"]


plain = st.text(min_size=1, max_size=5)
anything = st.recursive(
    plain | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
)


def words(value: Any) -> set[str]:
    """Every string under a value, and every name that it uses."""
    names = set(value) if isinstance(value, dict) else set()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return names.union({value} if isinstance(value, str) else (), *map(words, inner)) - {""}


@given(anything, anything, st.sampled_from([{}, {"content": "x"}, {"content": None}]))
def test_no_word_of_a_request_escapes(of_message: Any, of_body: Any, content: dict[str, Any]) -> None:
    message = {"role": "user", "name": of_message, **content}
    found = parts.of_prompt({"messages": [message], "tools": [of_body], "guided_json": of_body})
    read = {text for part in found for text in (part.segment.text, *part.segment.text.split("\n"))}
    told = words(of_message) | words(of_body)
    assert {word for text in told for word in text.split("\n")} - KNOWN_NAMES - KNOWN_WORDS - {""} <= read


def test_what_any_tool_or_schema_says_of_itself_is_no_text() -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    body = {
        "messages": [],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema"},
        "stop": ["stop"],
    }
    assert not parts.of_prompt(body | {"tools": [{"type": "function", "function": {"parameters": schema}}]})


def test_names_are_read_together_and_cannot_be_replaced() -> None:
    body = {"messages": [], "tools": [{"properties": {"how to": {}, "boil an egg": {"type": "string"}}}]}
    [names] = parts.of_prompt(body)
    assert (names.segment.text, names.fixed) == ("how to\nboil an egg", True)
    with pytest.raises(BadRequest, match="cannot be"):
        parts.put_back(body, [names], [replace(names.segment, text="[removed]")])


def test_a_tool_nested_beyond_reason_is_refused() -> None:
    tool: dict[str, Any] = {}
    for _ in range(500):
        tool = {"inner": tool}
    with pytest.raises(BadRequest, match="nested"):
        parts.of_prompt({"messages": [], "tools": [tool]})


def test_guards_are_told_the_turns() -> None:
    assert parts.turns(BODY).turns[:2] == (("system", "s"), ("user", "u"))


@pytest.mark.parametrize(
    "piece",
    [
        {"text": "hi", "image_url": "http://10.0.0.5/"},
        {"type": "text", "text": "hi", "image_url": {"url": "http://10.0.0.5/"}},
        {"type": "text", "text": "hi", "uuid": "x", "image_url": "http://10.0.0.5/"},
        {"type": "text", "text": "hi", "video_url": None},
    ],
)
def test_media_cannot_hide_in_a_text_part(piece: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        parts.of_prompt({"messages": [{"role": "user", "content": [piece]}]})
    assert str(refused.value.param).startswith("messages.0.content.0.")


def test_what_stands_beside_a_text_part_is_read_as_well() -> None:
    piece = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "note": "psst"}}
    found = parts.of_prompt({"messages": [{"role": "user", "content": [piece]}]})
    assert {"hi", "psst"} <= {part.segment.text for part in found}
