from typing import Any

import pytest
from pydantic import ValidationError

from gateway.engines.pocket.wire import ChatBody, unsupported

HELLO = [{"role": "user", "content": "hello"}]


def body(**fields: Any) -> ChatBody:
    return ChatBody.model_validate({"messages": HELLO} | fields)


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [{"type": "function"}]},
        {"tool_choice": "required"},
        {"response_format": {"type": "json_object"}},
        {"logit_bias": {"5": 3}},
        {"guided_json": {}} | {"guided_regex": "a+"},
        {"best_of": 3},
        {"prompt_logprobs": 0},
    ],
)
def test_what_would_change_the_answer_is_named(asked: dict[str, Any]) -> None:
    assert unsupported(body(**asked)) == list(asked)[-1]


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [{"type": "function"}], "tool_choice": "none"},
        {"tools": []},
        {"tools": None, "tool_choice": "auto"},
        {"response_format": {"type": "text"}},
        {"logit_bias": {}},
        {"best_of": 1},
        {"user": "me", "metadata": {}, "cache_salt": "x", "priority": 3, "never_heard_of": True},
    ],
)
def test_what_asks_for_nothing_is_ignored(asked: dict[str, Any]) -> None:
    assert unsupported(body(**asked)) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 0),
        ("n", 129),
        ("stop", ["a"] * 5),
        ("stop", ""),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("top_p", 0),
        ("top_logprobs", 21),
        ("max_tokens", 0),
        ("messages", []),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
    ],
)
def test_impossible_values_are_refused_by_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        body(**{field: value})
    assert refused.value.errors()[0]["loc"][0] == field


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    asked = body(messages=[{"role": "user", "content": parts, "name": "ann"}])
    assert asked.messages[0].plain() == {"role": "user", "content": "one\ntwo", "name": "ann"}


def test_max_completion_tokens_comes_first() -> None:
    assert body(max_tokens=5, max_completion_tokens=7).answer_tokens == 7


def test_one_stop_or_several() -> None:
    assert (body(stop="a").stops, body(stop=["a", "b"]).stops, body().stops) == (("a",), ("a", "b"), ())
