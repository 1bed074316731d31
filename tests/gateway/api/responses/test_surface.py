"""Responses through OpenAI's own client: plain answers."""

import httpx
import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED, word_screen

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather somewhere.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]}


def ask(http: httpx.Client, asked: object = "hi", **body: object) -> httpx.Response:
    return http.post("/v1/responses", json={"model": "assistant", "input": asked, **body})


def sent(gateway: Running) -> list[object]:
    messages: list[object] = gateway.engine.asked.body["messages"]
    return messages


def test_the_official_client_gets_its_answer(gateway: Running, sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(model="assistant", input="hi")
    assert answer.output_text == "Hello there."
    assert (answer.status, answer.model, answer.id) == (
        "completed",
        "assistant",
        f"resp_{gateway.recorded.id}",
    )
    assert answer.usage
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (7, 5, 12)
    assert answer.store


def test_an_answer_has_all_that_the_official_type_asks_for(http: httpx.Client) -> None:
    Response.model_validate(ask(http, tools=[WEATHER], metadata={"a": "b"}).json(), strict=True)


def test_an_answer_repeats_what_was_asked(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(
        model="assistant",
        input="hi",
        instructions="Be brief.",
        max_output_tokens=9,
        metadata={"ticket": "7"},
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        temperature=0.5,
        tool_choice={"type": "function", "name": "weather"},
        tools=[WEATHER],
        top_p=0.9,
        user="u1",
    )
    assert (answer.instructions, answer.max_output_tokens, answer.metadata) == (
        "Be brief.",
        9,
        {"ticket": "7"},
    )
    assert (answer.temperature, answer.top_p, answer.user) == (0.5, 0.9, "u1")
    assert answer.reasoning
    assert (answer.reasoning.effort, answer.parallel_tool_calls) == ("low", False)
    assert answer.tools[0].to_dict() == WEATHER
    assert answer.tool_choice.to_dict() == {"type": "function", "name": "weather"}  # type: ignore[union-attr]


def test_the_engine_is_asked_for_a_chat_completion(gateway: Running, http: httpx.Client) -> None:
    ask(
        http,
        instructions="Be brief.",
        max_output_tokens=9,
        tools=[WEATHER],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=True,
        reasoning={"effort": "low"},
        text={"verbosity": "low"},
        include=["message.output_text.logprobs"],
        top_logprobs=2,
        seed=3,
        truncation="disabled",
    )
    function = {name: value for name, value in WEATHER.items() if name != "type"}
    assert gateway.engine.asked.body == {
        "model": "base",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "max_completion_tokens": 9,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": True,
        "reasoning_effort": "low",
        "verbosity": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        (
            [
                {"role": "developer", "content": "Be kind."},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
                },
            ],
            [
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            ],
        ),
        (
            [
                {"role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": []}]},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            ],
            [
                {"role": "assistant", "content": "a"},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            ],
        ),
        (
            [
                {"type": "reasoning", "summary": [], "encrypted_content": "xyz"},
                {"role": "assistant", "content": "Let me see."},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "one"},
                {
                    "type": "function_call_output",
                    "call_id": "c2",
                    "output": [{"type": "input_text", "text": "two"}],
                },
            ],
            [
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "one"},
                {"role": "tool", "tool_call_id": "c2", "content": "two"},
            ],
        ),
        (
            [
                {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
                {"role": "assistant", "content": "Yes."},
            ],
            [{"role": "assistant", "content": "Yes.", "reasoning": "Hm."}],
        ),
    ],
    ids=["messages", "said before", "calls", "reasoning"],
)
def test_items_become_messages(
    items: list[object], messages: list[object], gateway: Running, http: httpx.Client
) -> None:
    assert ask(http, items).status_code == 200
    assert sent(gateway) == messages


def test_a_schema_is_passed_on_and_its_answer_parsed(gateway: Running, sdk: openai.OpenAI) -> None:
    class Place(BaseModel):
        city: str

    gateway.engine.says('{"city": "Oslo"}')
    answer = sdk.responses.parse(model="assistant", input="Where?", text_format=Place)
    assert answer.output_parsed == Place(city="Oslo")
    asked = gateway.engine.asked.body["response_format"]
    assert (asked["type"], asked["json_schema"]["name"], asked["json_schema"]["strict"]) == (
        "json_schema",
        "Place",
        True,
    )
    assert answer.text
    assert answer.text.format
    assert answer.text.format.type == "json_schema"


def test_calls_come_as_items_and_go_back_with_their_results(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(messages=(CALLS,), finish_reason="tool_calls")
    question = {"role": "user", "content": "Weather?"}
    first = sdk.responses.create(model="assistant", input=[question], tools=[WEATHER])
    assert [(item.type, item.call_id, item.name, item.arguments) for item in first.output] == [  # type: ignore[union-attr]
        ("function_call", "c1", "weather", '{"city":"Oslo"}'),
        ("function_call", "c2", "weather", '{"city":"Oslo"}'),
    ]
    results = [{"type": "function_call_output", "call_id": call, "output": "rain"} for call in ("c1", "c2")]
    gateway.engine.says("It rains.")
    second = sdk.responses.create(
        model="assistant", input=[question, *first.output, *results], tools=[WEATHER]
    )
    assert second.output_text == "It rains."
    assert sent(gateway)[1] == CALLS


def test_reasoning_and_refusals_have_items_of_their_own(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(messages=({"content": None, "reasoning": "Hm.", "refusal": "No."},))
    answer = sdk.responses.create(model="assistant", input="hi")
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].content[0].text == "Hm."  # type: ignore[union-attr,index]
    assert answer.output[1].content[0].to_dict() == {"type": "refusal", "refusal": "No."}  # type: ignore[union-attr,index]


def test_logprobs_come_with_the_text(gateway: Running, sdk: openai.OpenAI) -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    gateway.engine.says(
        raw=httpx.Response(
            200,
            json={
                "choices": [
                    {
                        "index": 0,
                        "message": {"content": "a"},
                        "logprobs": {"content": [token]},
                        "finish_reason": "stop",
                    }
                ]
            },
        ).content
    )
    answer = sdk.responses.create(model="assistant", input="hi", include=["message.output_text.logprobs"])
    assert answer.output[0].content[0].logprobs[0].to_dict() == token  # type: ignore[union-attr,index]


def test_an_answer_cut_off_is_incomplete(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says("Once upon a", finish_reason="length")
    answer = sdk.responses.create(model="assistant", input="hi", max_output_tokens=3)
    assert (answer.status, answer.output_text) == ("incomplete", "Once upon a")
    assert answer.incomplete_details
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output[0].status == "incomplete"  # type: ignore[union-attr]


@pytest.mark.parametrize(("asked", "said"), [(REFUSED, "fine"), ("hi", f"the {REFUSED} sings")])
def test_what_a_guard_refuses_is_replaced(
    asked: str, said: str, gateway: Running, sdk: openai.OpenAI
) -> None:
    gateway.engine.says(said)
    answer = sdk.responses.create(model="assistant", input=asked)
    assert (answer.status, answer.output_text) == ("incomplete", "I'd rather not.")
    assert answer.incomplete_details
    assert answer.incomplete_details.reason == "content_filter"
    assert gateway.recorded.flagged


def test_a_policy_may_refuse_with_an_error(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.reset(word_screen(shape="error"))
    with pytest.raises(openai.BadRequestError) as refusal:
        sdk.responses.create(model="assistant", input=REFUSED)
    assert refusal.value.code == "content_policy_violation"


@pytest.mark.parametrize(
    "body",
    [
        {"input": [{"type": "function_call_output", "call_id": "c", "output": REFUSED}]},
        {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": REFUSED}]},
        {"input": [{"type": "reasoning", "content": [{"type": "reasoning_text", "text": REFUSED}]}]},
        {"instructions": REFUSED},
        {"tools": [{**WEATHER, "description": REFUSED}]},
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"title": REFUSED}}}},
        {"a_field_of_tomorrow": REFUSED},
    ],
)
def test_whatever_a_model_may_see_is_screened(
    body: dict[str, object], gateway: Running, http: httpx.Client
) -> None:
    answer = ask(http, **body).json()
    assert answer["incomplete_details"] == {"reason": "content_filter"}
    assert not gateway.engine.requests


def test_secrets_are_redacted_wherever_they_stand(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"your {REDACTED} is safe")
    answer = ask(http, f"my {REDACTED}", instructions=f"Mind the {REDACTED}.")
    assert REDACTED not in answer.text
    assert REDACTED not in str(sent(gateway))
    assert answer.json()["instructions"] == "Mind the [secret removed]."


def test_candidates_are_sampled_and_one_is_given(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says("a", "a long one", "ab")
    answer = sdk.responses.create(model="assistant", input="hi", extra_body={"alignment": {"n": 3}})
    assert answer.output_text == "a long one"
    assert gateway.engine.asked.body["n"] == 3


def test_explain_tells_why(http: httpx.Client, gateway: Running) -> None:
    told = ask(http, alignment={"explain": True}).json()["alignment"]
    assert told["exchange"] == gateway.recorded.id
    assert told["coverage"]["complete"]


TEXT = {"type": "input_text", "text": "x"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"]}, "input.0.type"),
        ({"input": [{"content": "x"}]}, "input.0"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input.0.type"),
        ({"input": [{"type": "item_reference", "id": "msg_x_0"}]}, "input.0.id"),
        ({"input": [{"type": "item_reference", "id": 7}]}, "input.0.id"),
        ({"input": [{"role": "user", "content": [TEXT, {"type": "song"}]}]}, "input.0.content.1.type"),
        (
            {"input": [{"role": "user", "content": [TEXT, {"type": "input_text"}]}]},
            "input.0.content.1.text",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input.0.content.0.image_url",
        ),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input.0.arguments"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 7}]}, "input.0.output"),
        ({"instructions": ["x"]}, "instructions"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [WEATHER, {"type": "function"}]}, "tools.1.name"),
        ({"tools": [{**WEATHER, "parameters": {"properties": {REDACTED: {}}}}]}, "tools.0"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"text": "x"}, "text"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"reasoning": "hard"}, "reasoning"),
        ({"include": "all"}, "include"),
        ({"metadata": "x"}, "metadata"),
        ({"store": "yes"}, "store"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"messages": [{"role": "user", "content": "x"}]}, "messages"),
        ({"response_format": {"x": 1}}, "response_format"),
        ({"n": 2}, "n"),
        ({"previous_response_id": 7}, "previous_response_id"),
        ({"previous_response_id": "resp_x"}, "previous_response_id"),
        ({"model": 7}, "model"),
        ({"alignment": {"n": 99}}, "alignment.n"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, object], param: str, http: httpx.Client) -> None:
    answer = http.post("/v1/responses", json={"model": "assistant", "input": "hi", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("max_completion_tokens", "max_output_tokens"),
        ("messages.0.content", "input"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("tools.0.function.parameters", "tools.0.parameters"),
        ("seed", "seed"),
    ],
)
def test_an_engines_complaint_names_the_clients_own_field(
    theirs: str, ours: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(refuse=(400, {"error": {"message": "no", "param": theirs}}))
    assert ask(http, tools=[WEATHER]).json()["error"]["param"] == ours


def test_a_viewer_may_not_ask(gateway: Running) -> None:
    with gateway.http("viewer") as http:
        assert ask(http).status_code == 403
