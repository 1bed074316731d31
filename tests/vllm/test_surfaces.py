"""Every surface of the gateway before a real vLLM, and before the pocket engine: answers, streams, calls."""

import json
import os
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.fakes.gateway import Running

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif("TRIMTAB_TEST_VLLM" not in os.environ, reason="see .ci/vllm for how to make one"),
]

Json = dict[str, Any]
HI: Any = [{"role": "user", "content": "How do I do it?"}]
GREEDY: Json = {"model": "assistant", "temperature": 0.0}
SAID = "one harmless word after the other"
# An engine that is told to be strict samples by the schema, and this one leaves a random model nothing to say.
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "enum": [SAID]}},
    "required": ["text"],
    "additionalProperties": False,
}
FUNCTION = {"name": "send", "parameters": SCHEMA, "strict": True}
MUST = {"type": "function", "function": {"name": "send"}}
CALLING: Json = {"model": "assistant", "seed": 1, "max_tokens": 200}


@pytest.fixture
def sdk(gateway: Running) -> Iterator[openai.OpenAI]:
    with gateway.sdk() as client:
        yield client


@pytest.fixture
def client(gateway: Running) -> Iterator[anthropic.Anthropic]:
    with anthropic_of(gateway) as client:
        yield client


def anthropic_of(gateway: Running) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.server.url, api_key="application", max_retries=0, timeout=30)


def test_a_chat_of_several_choices_has_logprobs_for_each(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="assistant", messages=HI, n=3, seed=1, logprobs=True, top_logprobs=2, max_tokens=12
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    for choice in answer.choices:
        assert choice.logprobs
        assert choice.logprobs.content
        assert all(len(token.top_logprobs) == 2 for token in choice.logprobs.content)


def test_streamed_choices_are_the_whole_ones_with_their_logprobs(sdk: openai.OpenAI) -> None:
    asked: Json = {
        "model": "assistant",
        "messages": HI,
        "n": 3,
        "seed": 1,
        "logprobs": True,
        "max_tokens": 24,
    }
    whole = sdk.chat.completions.create(**asked)
    with sdk.chat.completions.create(**asked, stream=True) as stream:
        choices = [choice for chunk in stream for choice in chunk.choices]
    for each in whole.choices:
        own = [choice for choice in choices if choice.index == each.index]
        tokens = [token.token for one in own if one.logprobs for token in one.logprobs.content or ()]
        assert "".join(one.delta.content or "" for one in own) == each.message.content
        assert each.logprobs
        assert tokens == [token.token for token in each.logprobs.content or ()]


def test_the_best_of_several_is_chosen(gateway: Running, sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="assistant", messages=HI, max_tokens=12, extra_body={"alignment": {"n": 4}}
    )
    assert len(answer.choices) == 1
    assert answer.choices[0].message.content == max(gateway.rewards.asked[0], key=len)
    assert len(gateway.rewards.asked[0]) == 4


def test_a_text_goes_on(sdk: openai.OpenAI) -> None:
    asked: Json = {"model": "assistant", "prompt": "Sure! First you", "n": 2, "logprobs": 1, "seed": 1}
    answer = sdk.completions.create(**asked, max_tokens=12, extra_body={"ignore_eos": True})
    assert [len(choice.logprobs.tokens or ()) for choice in answer.choices if choice.logprobs] == [12, 12]
    assert answer.usage
    assert answer.usage.completion_tokens == 24


def test_a_streamed_text_is_the_whole_one(sdk: openai.OpenAI) -> None:
    asked: Json = {**GREEDY, "prompt": "Sure! First you", "max_tokens": 24}
    with sdk.completions.create(**asked, stream=True) as stream:
        text = "".join(choice.text for chunk in stream for choice in chunk.choices)
    assert text == sdk.completions.create(**asked).choices[0].text


def test_a_streamed_response_is_the_whole_one(sdk: openai.OpenAI) -> None:
    asked: Json = {**GREEDY, "input": "How do I do it?", "max_output_tokens": 24}
    with sdk.responses.create(**asked, stream=True) as stream:
        last = list(stream)[-1].response  # type: ignore[union-attr]
    whole = sdk.responses.create(**asked)
    assert (last.output_text, last.status, last.usage) == (whole.output_text, whole.status, whole.usage)
    assert whole.usage
    assert whole.usage.output_tokens == 24


def test_a_streamed_message_is_the_whole_one(client: anthropic.Anthropic) -> None:
    asked: Json = {"model": "assistant", "messages": HI, "max_tokens": 24, "system": "I am sorry"}
    asked["extra_body"] = {"temperature": 0.0}
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    whole = client.messages.create(**asked)
    assert (streamed.content, streamed.stop_reason, streamed.usage) == (
        whole.content,
        whole.stop_reason,
        whole.usage,
    )
    assert whole.usage.output_tokens == 24


def test_tokens_are_counted_as_they_are_charged(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model="assistant", messages=HI).input_tokens
    message = client.messages.create(model="assistant", messages=HI, max_tokens=1)
    assert counted == message.usage.input_tokens


def test_an_engines_own_complaint_reaches_the_client(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        sdk.chat.completions.create(model="assistant", messages=HI, max_tokens=100_000)
    assert error.value.code == "context_length_exceeded"


def test_vllm_streams_the_arguments_of_a_call(before_vllm: Running) -> None:
    with (
        before_vllm.sdk() as sdk,
        sdk.chat.completions.create(
            **CALLING,
            messages=HI,
            tools=[{"type": "function", "function": FUNCTION}],
            tool_choice=MUST,
            stream=True,
        ) as stream,
    ):
        calls = [call for chunk in stream for one in chunk.choices for call in one.delta.tool_calls or ()]
    assert calls[0].function.name == "send"
    assert json.loads("".join(call.function.arguments or "" for call in calls)) == {"text": SAID}
    assert len(calls) > 5


def test_vllm_streams_the_arguments_of_a_call_in_a_response(before_vllm: Running) -> None:
    asked: Json = {"model": "assistant", "input": "How do I do it?", "max_output_tokens": 200}
    tools = [{"type": "function", **FUNCTION}]
    with (
        before_vllm.sdk() as sdk,
        sdk.responses.stream(
            **asked, tools=tools, tool_choice={"type": "function", "name": "send"}, extra_body={"seed": 1}
        ) as stream,
    ):
        deltas = [event for event in stream if event.type == "response.function_call_arguments.delta"]
        [call] = stream.get_final_response().output
    assert json.loads(call.arguments) == {"text": SAID}  # type: ignore[union-attr]
    assert "".join(event.delta for event in deltas) == call.arguments  # type: ignore[union-attr]
    assert len(deltas) > 5


def test_vllm_streams_the_input_of_a_tool_in_a_message(before_vllm: Running) -> None:
    tool = {"name": "send", "input_schema": SCHEMA, "strict": True}
    asked: Json = {"model": "assistant", "messages": HI, "max_tokens": 200, "tools": [tool]}
    with (
        anthropic_of(before_vllm) as client,
        client.messages.stream(
            **asked, tool_choice={"type": "tool", "name": "send"}, extra_body={"seed": 1}
        ) as stream,
    ):
        deltas = [event for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    assert message.content[-1].input == {"text": SAID}  # type: ignore[union-attr]
    assert (message.stop_reason, len(deltas) > 5) == ("tool_use", True)


def test_vllm_is_given_tools_that_it_need_not_call(before_vllm: Running) -> None:
    with before_vllm.sdk() as sdk:
        answer = sdk.chat.completions.create(
            **GREEDY, messages=HI, max_tokens=12, tools=[{"type": "function", "function": FUNCTION}]
        )
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content


# The same tool as each surface has it.
WITH_TOOLS: list[tuple[str, Json]] = [
    ("/v1/chat/completions", {"messages": HI, "tools": [{"type": "function", "function": FUNCTION}]}),
    ("/v1/responses", {"input": "hi", "tools": [{"type": "function", **FUNCTION}]}),
    ("/v1/messages", {"messages": HI, "max_tokens": 9, "tools": [{"name": "send", "input_schema": SCHEMA}]}),
]


@pytest.mark.parametrize(("path", "asked"), WITH_TOOLS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_vllm_refuses_of_tools_is_an_honest_status(
    path: str, asked: Json, before_vllm: Running, *, stream: bool
) -> None:
    choices: Json = {
        "/v1/chat/completions": {"type": "function", "function": {"name": "nobody"}},
        "/v1/responses": {"type": "function", "name": "nobody"},
        "/v1/messages": {"type": "tool", "name": "nobody"},
    }
    body = {"model": "assistant", **asked, "tool_choice": choices[path], "stream": stream}
    with before_vllm.http() as http:
        answer: httpx.Response = http.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        *WITH_TOOLS,
        ("/v1/messages/count_tokens", {"messages": HI, "tools": [{"name": "send", "input_schema": SCHEMA}]}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_pocket_engine_refuses_tools_by_name(
    path: str, asked: Json, before_pocket: Running, *, stream: bool
) -> None:
    with before_pocket.http() as http:
        answer: httpx.Response = http.post(path, json={"model": "assistant", **asked, "stream": stream})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "tools")
    assert "vLLM" in error["message"]
