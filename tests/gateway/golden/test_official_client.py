"""OpenAI's own client hears of golden answers all that they say, and what it asks for reaches the engine."""

import json

import openai

from tests.fakes.gateway import Running
from tests.gateway.golden.answers import ANSWERS, CALLS, LONG, compact
from tests.gateway.golden.conftest import HI
from tests.gateway.golden.streams import STREAMS, framed

ARGUMENTS = [json.loads(each["function"]["arguments"]) for each in CALLS]


def test_parallel_tool_calls_are_streamed_and_parsed_by_the_official_client(
    gateway: Running, sdk: openai.OpenAI
) -> None:
    gateway.engine.says(frames=framed(STREAMS["text, then calls"]))
    tools = [{"type": "function", "function": {"name": f"look_up_{n}", "parameters": {}}} for n in (0, 1)]
    with sdk.chat.completions.stream(model="assistant", messages=HI, tools=tools) as stream:  # type: ignore[arg-type]
        events = list(stream)
        whole = stream.get_final_completion()
    done = [each for each in events if each.type == "tool_calls.function.arguments.done"]
    assert [json.loads(each.arguments) for each in done] == ARGUMENTS
    assert [each.content for each in events if each.type == "content.done"] == ["Let me look that up."]
    calls = whole.choices[0].message.tool_calls or []
    assert [json.loads(each.function.arguments) for each in calls] == ARGUMENTS
    assert len([each for each in events if each.type == "tool_calls.function.arguments.delta"]) > 4


def test_the_official_client_reads_logprobs_plain_and_streamed(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(raw=compact(ANSWERS["logprobs"]))
    plain = sdk.chat.completions.create(model="assistant", messages=HI, logprobs=True, top_logprobs=1)  # type: ignore[arg-type]
    assert plain.choices[0].logprobs
    assert [each.token for each in plain.choices[0].logprobs.content or ()] == ["a", "b"]
    gateway.engine.says(frames=framed(STREAMS["logprobs"]))
    with sdk.chat.completions.stream(model="assistant", messages=HI, logprobs=True) as stream:  # type: ignore[arg-type]
        logprobs = stream.get_final_completion().choices[0].logprobs
    assert logprobs
    assert "".join(each.token for each in logprobs.content or ()) == LONG


def test_the_official_client_hears_reasoning_before_content(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(frames=framed(STREAMS["reasoning"]))
    heard = []
    for chunk in sdk.chat.completions.create(model="assistant", messages=HI, stream=True):  # type: ignore[call-overload]
        delta = chunk.choices[0].delta
        heard += [("reasoning", text)] if (text := getattr(delta, "reasoning", None)) else []
        heard += [("content", delta.content)] if delta.content else []
    assert "".join(text for name, text in heard if name == "reasoning") == LONG * 2
    assert "".join(text for name, text in heard if name == "content") == LONG
    assert heard == sorted(heard, key=lambda each: each[0] == "content")


def test_parameters_reach_the_engine_unchanged(gateway: Running, sdk: openai.OpenAI) -> None:
    schema = {"name": "place", "strict": True, "schema": {"type": "object", "properties": {}}}
    asked = {
        "stop": ["###", "\n\n"],
        "seed": 4,
        "response_format": {"type": "json_schema", "json_schema": schema},
        "parallel_tool_calls": True,
        "top_logprobs": 3,
        "logprobs": True,
    }
    sdk.chat.completions.create(model="assistant", messages=HI, **asked)  # type: ignore[call-overload]
    assert gateway.engine.asked.body == {"model": "base", "messages": HI, **asked}
