"""Conversations in blocks, as the engine gets them."""

from typing import Any

import anthropic
import pytest

from gateway.api.messages.turns import turns_of
from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED

ASKED = {"role": "user", "content": "hi"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}
CACHED = {"cache_control": {"type": "ephemeral"}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def result(content: Any = "rain", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **more}


@pytest.mark.parametrize(
    ("system", "content"),
    [
        ("be kind", "be kind"),
        ([text("be kind", **CACHED)], "be kind"),
        ([text("be kind"), text("be brief", citations=None)], [text("be kind"), text("be brief")]),
    ],
)
def test_a_system_prompt_comes_first(
    system: Any, content: Any, gateway: Running, client: anthropic.Anthropic
) -> None:
    client.messages.create(model="assistant", max_tokens=9, messages=[ASKED], system=system)
    assert gateway.engine.asked.body["messages"] == [{"role": "system", "content": content}, ASKED]


@pytest.mark.parametrize(
    ("said", "turns"),
    [
        ({"role": "system", "content": "now be brief"}, [{"role": "system", "content": "now be brief"}]),
        ({"role": "user", "content": [text("a", **CACHED)]}, [{"role": "user", "content": "a"}]),
        ({"role": "user", "content": [text("a"), text("b")]}, [{"role": "user", "content": [text("a"), text("b")]}]),
        ({"role": "user", "content": []}, [{"role": "user", "content": ""}]),
        ({"role": "assistant", "content": []}, [{"role": "assistant", "content": ""}]),
        (
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, text("a")]},
            [{"role": "assistant", "content": "a"}],
        ),
        (
            {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, text("a")]},
            [{"role": "assistant", "content": "a"}],
        ),
    ],
)  # fmt: skip
def test_a_message_becomes_a_turn(said: dict[str, Any], turns: list[dict[str, Any]]) -> None:
    assert turns_of(None, [said]) == turns


@pytest.mark.parametrize("words", [[], [text("let me look")]])
def test_a_use_of_a_tool_becomes_a_call(words: list[dict[str, Any]]) -> None:
    function = {"name": "weather", "arguments": '{"city":"Bern"}'}
    assert turns_of(None, [{"role": "assistant", "content": [*words, CALL]}]) == [
        {
            "role": "assistant",
            "content": "let me look" if words else None,
            "tool_calls": [{"id": "toolu_1", "type": "function", "function": function}],
        }
    ]


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (result(), "rain"),
        (result([text("rain")]), "rain"),
        (result([text("rain"), text("and wind")]), [text("rain"), text("and wind")]),
        (result(None), ""),
        (result(is_error=True), "Error: rain"),
        (result([text("a"), text("b")], is_error=True), [text("Error:"), text("a"), text("b")]),
    ],
)
def test_a_result_of_a_tool_becomes_a_message_before_the_text_beside_it(
    block: dict[str, Any], content: Any
) -> None:
    assert turns_of(None, [{"role": "user", "content": [text("and now?"), block]}]) == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": content},
        {"role": "user", "content": "and now?"},
    ]


def test_results_alone_leave_no_empty_turn() -> None:
    assert [turn["role"] for turn in turns_of(None, [{"role": "user", "content": [result(), result()]}])] == [
        "tool",
        "tool",
    ]


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ({"type": "url", "url": "https://x/y.png"}, "https://x/y.png"),
        ({"type": "base64", "media_type": "image/png", "data": "aGk="}, "data:image/png;base64,aGk="),
    ],
)
def test_an_image_becomes_a_part(source: dict[str, str], url: str) -> None:
    said = {"role": "user", "content": [{"type": "image", "source": source, **CACHED}, text("what is it?")]}
    picture = {"type": "image_url", "image_url": {"url": url}}
    assert turns_of(None, [said]) == [{"role": "user", "content": [picture, text("what is it?")]}]


def test_what_a_tool_found_is_answered_from(gateway: Running, client: anthropic.Anthropic) -> None:
    gateway.engine.says("It rains.")
    told = [ASKED, {"role": "assistant", "content": [CALL]}, {"role": "user", "content": [result()]}]
    answer = client.messages.create(model="assistant", max_tokens=9, messages=told)
    assert answer.content[0].text == "It rains."
    assert [turn["role"] for turn in gateway.engine.asked.body["messages"]] == ["user", "assistant", "tool"]


@pytest.mark.parametrize(
    "told",
    [
        {"system": REFUSED},
        {"system": [text(REFUSED)]},
        {"messages": [{"role": "user", "content": [text(REFUSED)]}]},
        {"messages": [ASKED, {"role": "assistant", "content": [{**CALL, "input": {"a": REFUSED}}]}]},
        {"messages": [ASKED, {"role": "user", "content": [result(REFUSED)]}]},
        {"messages": [ASKED, {"role": "user", "content": [result([text(REFUSED)])]}]},
    ],
)
def test_every_part_of_a_conversation_is_screened(
    told: dict[str, Any], gateway: Running, client: anthropic.Anthropic
) -> None:
    asked = {"model": "assistant", "max_tokens": 9, "messages": [ASKED], **told}
    assert client.messages.create(**asked).stop_reason == "refusal"
    assert not gateway.engine.requests


def test_a_redacted_result_goes_on_without_the_secret(gateway: Running, client: anthropic.Anthropic) -> None:
    told = [ASKED, {"role": "user", "content": [result(f"the {REDACTED} is out")]}]
    client.messages.create(model="assistant", max_tokens=9, messages=told)
    assert gateway.engine.asked.body["messages"][1]["content"] == "the [secret removed] is out"
