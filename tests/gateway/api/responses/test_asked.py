"""Reading requests: whatever comes is read, or refused by its name."""

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import parts
from gateway.api.responses.asked import OWN, Asked, Past, read_asked, references_in
from gateway.api.responses.items import input_of
from gateway.api.responses.options import asked_options
from gateway.errors import BadRequest

TEXT = st.sampled_from(["", "a", "two words"])
NAME = st.sampled_from(["f", "g"])
LIKELY_NAMES = st.sampled_from(
    ["type", "role", "content", "text", "name", "id", "url", "format", "tool_calls"]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | st.sampled_from(["text", "message", "reasoning"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LIKELY_NAMES, inner, max_size=4),
)


def either(**kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of these types, each with its one field of text."""
    made = [st.fixed_dictionaries({"type": st.just(kind), field_of(kind): of}) for kind, of in kinds.items()]
    return st.one_of(made)


def field_of(kind: str) -> str:
    return "refusal" if kind == "refusal" else "text"


PART = either(input_text=TEXT, output_text=TEXT, refusal=TEXT, text=TEXT)
CONTENT = TEXT | st.lists(PART, min_size=1, max_size=3)
CALL = {"call_id": NAME, "name": NAME, "arguments": TEXT}
ITEM = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "developer"]), "content": CONTENT}),
    st.fixed_dictionaries({"type": st.just("function_call"), **CALL}),
    st.fixed_dictionaries({"type": st.just("function_call_output"), "call_id": NAME, "output": CONTENT}),
    st.fixed_dictionaries(
        {"type": st.just("reasoning"), "content": st.lists(either(reasoning_text=TEXT), max_size=2)}
    ),
)
TOOL = st.fixed_dictionaries({"type": st.just("function"), "name": NAME}, optional={"description": TEXT})
OPTIONS = st.fixed_dictionaries(
    {"model": st.just("assistant"), "input": TEXT | st.lists(ITEM, min_size=1, max_size=6)},
    optional={
        "instructions": TEXT,
        "tools": st.lists(TOOL, max_size=2),
        "tool_choice": st.sampled_from(["auto", "none"]) | TOOL,
        "text": st.fixed_dictionaries({"format": either(text=TEXT, json_schema=TEXT, json_object=TEXT)}),
        "reasoning": st.fixed_dictionaries({"effort": st.just("low")}),
        "metadata": st.just({"a": "b"}),
    },
)
CHANGES = st.dictionaries(st.sampled_from(sorted(OWN)), ODD, max_size=1)
BODY = st.builds(lambda asked, odd: {**asked, **odd}, OPTIONS, st.just({}) | CHANGES)


def read(body: dict[str, Any]) -> Asked | BadRequest:
    try:
        return read_asked(body, Past())
    except BadRequest as error:
        return error


@settings(max_examples=60, deadline=None)
@given(BODY)
def test_any_request_is_read_and_told_again_or_refused_by_a_field_of_its_own(body: dict[str, Any]) -> None:
    references_in(body)
    asked = read(body)
    if isinstance(asked, BadRequest):
        assert str(asked.param).split(".")[0] in body
        return
    messages = [message for message in asked.chat["messages"] if isinstance(message["role"], str)]
    with suppress(BadRequest):
        parts.of_prompt({**asked.chat, "messages": messages})
        assert asked_options(asked.chat)["tools"] == (body.get("tools") or [])
        assert len(list(input_of(messages))) >= len(messages)
