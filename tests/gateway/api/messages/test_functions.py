"""Tools, from their definition to the second answer, through Anthropic's own client."""

from typing import Any

import anthropic
import pytest

from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED

HI = [{"role": "user", "content": "Weather in Bern?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "Looks outside.", "input_schema": SCHEMA}
ASK = {"model": "assistant", "max_tokens": 9, "messages": HI, "tools": [TOOL]}


def called(*arguments: str, content: str | None = None) -> dict[str, Any]:
    """An engine's message that calls the tool."""
    calls = [
        {"id": f"call_{index}", "type": "function", "function": {"name": "weather", "arguments": each}}
        for index, each in enumerate(arguments)
    ]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def test_tools_reach_the_engine_as_functions(gateway: Running, client: anthropic.Anthropic) -> None:
    hints = {"cache_control": {"type": "ephemeral"}, "eager_input_streaming": True, "type": "custom"}
    client.messages.create(**{**ASK, "tools": [{**TOOL, **hints, "strict": True}]})
    function = {"name": "weather", "description": "Looks outside.", "strict": True, "parameters": SCHEMA}
    assert gateway.engine.asked.body["tools"] == [{"type": "function", "function": function}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "weather"},
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
        ({"type": "auto", "disable_parallel_tool_use": False}, {"tool_choice": "auto"}),
    ],
)
def test_a_choice_of_tools_keeps_its_meaning(
    choice: dict[str, Any], sent: dict[str, Any], gateway: Running, client: anthropic.Anthropic
) -> None:
    client.messages.create(**ASK, tool_choice=choice)
    asked = gateway.engine.asked.body
    assert {name: asked[name] for name in ("tool_choice", "parallel_tool_calls") if name in asked} == sent


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_and_its_result_make_a_round_trip(
    gateway: Running, client: anthropic.Anthropic, *, stream: bool
) -> None:
    gateway.engine.says(messages=(called('{"city": "Bern"}', content="I look."),), finish_reason="tool_calls")
    first = answered(client, stream, **ASK)
    assert first.stop_reason == "tool_use"
    assert [block.type for block in first.content] == ["text", "tool_use"]
    call = first.content[1]
    assert (call.id, call.name, call.input) == ("call_0", "weather", {"city": "Bern"})

    gateway.engine.says("It rains.")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
    turns = [*HI, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert answered(client, stream, **{**ASK, "messages": turns}).content[0].text == "It rains."
    _, said, found = gateway.engine.asked.body["messages"]
    assert said["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Bern"}'}
    assert found == {"role": "tool", "tool_call_id": "call_0", "content": "rain"}


def answered(client: anthropic.Anthropic, stream: bool, **asked: Any) -> anthropic.types.Message:
    """The whole message, however it comes."""
    if not stream:
        return client.messages.create(**asked)
    with client.messages.stream(**asked) as events:
        return events.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
def test_several_calls_at_once_are_several_blocks(
    gateway: Running, client: anthropic.Anthropic, *, stream: bool
) -> None:
    gateway.engine.says(messages=(called('{"city": "Bern"}', "", '{"city": "Thun"}'),))
    message = answered(client, stream, **ASK)
    assert [(call.id, call.input) for call in message.content] == [
        ("call_0", {"city": "Bern"}),
        ("call_1", {}),
        ("call_2", {"city": "Thun"}),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_had_to_call_may_say_that_it_stopped(
    gateway: Running, client: anthropic.Anthropic, *, stream: bool
) -> None:
    gateway.engine.says(messages=(called('{"city": "Bern"}'),), finish_reason="stop")
    forced = {**ASK, "tool_choice": {"type": "tool", "name": "weather"}}
    assert answered(client, stream, **forced).stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("stream", "written"),
    [(False, '{"city": "Be'), (False, "[1]"), (False, "Bern"), (True, "[1]"), (True, " Bern")],
)
def test_arguments_that_are_no_object_come_as_they_were_written(
    written: str, gateway: Running, client: anthropic.Anthropic, *, stream: bool
) -> None:
    gateway.engine.says(messages=(called(written),), finish_reason="length")
    message = answered(client, stream, **ASK)
    assert message.stop_reason == "max_tokens"
    assert message.content[0].input == {"INVALID_JSON": written}


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_the_engine_did_not_number_gets_an_id(
    gateway: Running, client: anthropic.Anthropic, *, stream: bool
) -> None:
    said = called("{}", "{}")
    for call in said["tool_calls"]:
        del call["id"]
    gateway.engine.says(messages=(said,))
    first, second = (block.id for block in answered(client, stream, **ASK).content)
    assert first.startswith("toolu_")
    assert first != second


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_refused_is_not_delivered(
    gateway: Running, client: anthropic.Anthropic, *, stream: bool
) -> None:
    gateway.engine.says(messages=(called(f'{{"city": "{REFUSED}"}}'),), finish_reason="tool_calls")
    message = answered(client, stream, **ASK)
    assert message.stop_reason == "refusal"
    assert REFUSED not in message.to_json()


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_delivered_redacted(gateway: Running, client: anthropic.Anthropic, *, stream: bool) -> None:
    gateway.engine.says(messages=(called(f'{{"city": "{REDACTED}"}}'),), finish_reason="tool_calls")
    assert answered(client, stream, **ASK).content[0].input == {"city": "[secret removed]"}
