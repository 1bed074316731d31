"""Chat completions through OpenAI's own client: plain answers."""

import httpx
import openai
import pytest

from tests.fakes.gateway import Running
from tests.fakes.guards import FLAGGED, REDACTED, REFUSED, word_screen

HI = [{"role": "user", "content": "hi"}]


def ask(http: httpx.Client, content: object = "hi", **body: object) -> httpx.Response:
    asked = {"model": "assistant", "messages": [{"role": "user", "content": content}], **body}
    return http.post("/v1/chat/completions", json=asked)


def test_the_official_client_gets_its_answer(gateway: Running, sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="assistant", messages=HI)
    assert answer.choices[0].message.content == "Hello there."
    assert (answer.model, answer.choices[0].finish_reason) == ("assistant", "stop")
    assert answer.usage
    assert answer.usage.completion_tokens == 5


def test_every_answer_carries_the_exchange_in_its_headers(gateway: Running, http: httpx.Client) -> None:
    headers = ask(http).headers
    assert headers["x-trimtab-exchange"] == gateway.recorded.id
    assert headers["x-trimtab-version"] == "base"
    assert headers["x-trimtab-policy"] == gateway.tools.screens.current.policy.hash
    assert headers["x-trimtab-strategy"] == "single"
    assert 0 <= float(headers["x-trimtab-overhead-ms"]) < 1000
    assert "x-trimtab-degraded" not in headers


def test_unknown_and_unusual_fields_reach_the_engine_unchanged(gateway: Running, http: httpx.Client) -> None:
    unusual = {"logprobs": True, "stop": ["a", "b"], "seed": 4, "min_p": 0.1, "vllm_xargs": {"a": 1}, "n": 1}
    ask(http, **unusual)
    sent = gateway.engine.asked.body
    assert sent == {"model": "base", "messages": HI, **unusual}


def test_nothing_is_added_to_what_the_client_sent(gateway: Running, http: httpx.Client) -> None:
    ask(http)
    assert gateway.engine.asked.body == {"model": "base", "messages": HI}


def test_n_choices_come_from_one_call(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says("one", "two", "three")
    answer = sdk.chat.completions.create(model="assistant", messages=HI, n=3)
    assert [choice.message.content for choice in answer.choices] == ["one", "two", "three"]
    assert len(gateway.engine.requests) == 1


def test_a_refused_prompt_never_reaches_the_engine(gateway: Running, sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="assistant", messages=[{"role": "user", "content": REFUSED}])
    assert answer.choices[0].message.content == "I'd rather not."
    assert answer.choices[0].finish_reason == "content_filter"
    assert not gateway.engine.requests
    assert gateway.recorded.flagged
    assert gateway.recorded.hazards == ("hte",)


def test_a_policy_may_refuse_with_an_error(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.reset(word_screen(shape="error"))
    with pytest.raises(openai.BadRequestError) as refusal:
        sdk.chat.completions.create(model="assistant", messages=[{"role": "user", "content": REFUSED}])
    assert refusal.value.code == "content_policy_violation"
    assert gateway.recorded.flagged


def test_a_refused_reply_is_replaced(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"the {REFUSED} sings")
    answer = ask(http)
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert REFUSED not in answer.text
    assert gateway.recorded.candidates[0].text == f"the {REFUSED} sings"


def test_a_refused_choice_leaves_the_others_alone(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("one", "two", "three", f"the {REFUSED}")
    choices = ask(http, n=4).json()["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["stop", "stop", "stop", "content_filter"]
    assert [choice["message"]["role"] for choice in choices] == ["assistant"] * 4
    assert choices[3]["message"]["content"] == "I'd rather not."


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "reasoning_content": f"the {REFUSED}"},
        {"content": "fine", "reasoning": f"the {REFUSED}"},
        {"content": None, "refusal": f"the {REFUSED}"},
        {
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": REFUSED}}],
        },
        {"content": None, "function_call": {"name": "f", "arguments": f'{{"a": "{REFUSED}"}}'}},
    ],
)
def test_every_part_of_a_reply_is_screened(
    message: dict[str, object], gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(messages=({"role": "assistant", **message},))
    answer = ask(http)
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert REFUSED not in answer.text


@pytest.mark.parametrize("choice", [{"message": {"role": "assistant", "song": "la"}}, {"text": "la"}])
def test_what_no_guard_reads_is_not_delivered(
    choice: dict[str, object], gateway: Running, http: httpx.Client
) -> None:
    raw = httpx.Response(
        200, json={"choices": [{"index": 0, "message": {}, "finish_reason": "stop", **choice}]}
    )
    gateway.engine.says(raw=raw.content)
    answer = ask(http)
    assert answer.status_code == 502
    assert "no guard reads" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": REFUSED}, *HI],
        [*HI, {"role": "tool", "content": REFUSED, "tool_call_id": "c"}],
        [*HI, {"role": "assistant", "content": REFUSED}],
        [{"role": "user", "content": [{"type": "text", "text": REFUSED}]}],
        [{"role": "user", "content": [{"type": "text", "text": "x", "annotations": [{"title": REFUSED}]}]}],
        [{"role": "user", "content": "x", "name": REFUSED}],
        [{"role": "user", "content": "x", "thinking": [{"said": REFUSED}]}],
        [{"role": REFUSED, "content": "x"}],
        [*HI, {"role": "tool", "content": "x", "tool_call_id": REFUSED}],
        [*HI, {"role": "assistant", "tool_calls": [{"id": REFUSED, "function": {"name": "f"}}]}],
    ],
)
def test_every_part_of_a_prompt_is_screened(
    messages: list[object], gateway: Running, http: httpx.Client
) -> None:
    answer = http.post("/v1/chat/completions", json={"model": "assistant", "messages": messages})
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert not gateway.engine.requests


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where?"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "weather", "strict": True, "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": SCHEMA}}


@pytest.mark.parametrize(
    "field",
    [
        {"tools": [{"type": "function", "function": {"parameters": {"properties": {REFUSED: {}}}}}]},
        {"tools": [{"type": "function", "function": {"parameters": {"type": f"a {REFUSED}"}}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "description": REFUSED}}},
        {"prediction": {"type": "content", "content": [{"type": "text", "text": REFUSED}]}},
        {"tool_choice": {"type": "function", "function": {"name": REFUSED}}},
        {"guided_choice": ["fine", REFUSED]},
        {"structured_outputs": {"grammar": f'root ::= "{REFUSED}"'}},
        {"reasoning_effort": REFUSED},
        {"a_field_of_tomorrow": {"said": REFUSED}},
    ],
)
def test_every_field_that_a_model_may_see_is_screened(
    field: dict[str, object], gateway: Running, http: httpx.Client
) -> None:
    assert ask(http, **field).json()["choices"][0]["finish_reason"] == "content_filter"
    assert not gateway.engine.requests


def test_tools_and_schemas_reach_the_engine_unchanged(gateway: Running, sdk: openai.OpenAI) -> None:
    sdk.chat.completions.create(
        model="assistant", messages=HI, tools=[TOOL], tool_choice="auto", response_format=FORMAT
    )
    sent = gateway.engine.asked.body
    assert (sent["tools"], sent["response_format"], sent["tool_choice"]) == ([TOOL], FORMAT, "auto")


def test_a_name_that_would_have_to_be_redacted_is_refused(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http, tools=[{"function": {"parameters": {"properties": {REDACTED: {}}}}}])
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "tools.0")
    assert not gateway.engine.requests


def test_a_redacted_prompt_goes_on_without_the_secret(gateway: Running, http: httpx.Client) -> None:
    ask(http, [{"type": "text", "text": "hello"}, {"type": "text", "text": f"my {REDACTED} is here"}])
    sent = gateway.engine.asked.body["messages"][0]["content"]
    assert sent == [
        {"type": "text", "text": "hello"},
        {"type": "text", "text": "my [secret removed] is here"},
    ]


def test_a_redacted_reply_is_delivered_without_the_secret(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"your {REDACTED} is here")
    answer = ask(http)
    assert answer.json()["choices"][0]["message"]["content"] == "your [secret removed] is here"
    assert gateway.recorded.answer == "your [secret removed] is here"


def test_a_flagged_reply_is_delivered_and_recorded(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"a {FLAGGED} word")
    before = gateway.metric("trimtab_flagged_total", hazard="dfm", action="flag", where="reply")
    assert ask(http).json()["choices"][0]["message"]["content"] == f"a {FLAGGED} word"
    assert gateway.recorded.flagged
    assert gateway.metric("trimtab_flagged_total", hazard="dfm", action="flag", where="reply") == before + 1


def test_what_must_be_recorded_and_cannot_be_is_not_delivered(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"a {FLAGGED} word")
    gateway.recorder.full = True
    answer = ask(http)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_full")
    assert FLAGGED not in answer.text


def test_explain_tells_why_and_what_was_screened(gateway: Running, http: httpx.Client) -> None:
    told = ask(http, alignment={"explain": True}).json()["alignment"]
    assert told["coverage"] == {
        "screened_bytes": 12,
        "delivered_bytes": 12,
        "parts": {"content": 12},
        "unscanned": {},
        "complete": True,
    }
    assert told["candidates"][0]["chosen"]
    assert {"screen_prompt", "engine", "screen_candidates"} <= told["stage_seconds"].keys()


def test_a_conversation_stays_on_its_version(gateway: Running) -> None:
    from gateway.pipeline import sticky_key

    class Asked:
        def __init__(self, conversation: str | None, *contents: str) -> None:
            self.caller = gateway.tools.keys.authenticate("application")
            self.conversation = conversation
            self.body = {"messages": [{"role": "user", "content": content} for content in contents]}

    assert sticky_key(Asked(None, "a", "b")) == sticky_key(Asked(None, "a", "c"))  # type: ignore[arg-type]
    assert sticky_key(Asked(None, "a")) != sticky_key(Asked(None, "b"))  # type: ignore[arg-type]
    assert sticky_key(Asked("x", "a")) == sticky_key(Asked("x", "b"))  # type: ignore[arg-type]


def test_an_engine_knows_a_request_by_our_name_for_it(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http, request_id="everybody's")
    assert gateway.engine.asked.body["request_id"] == answer.headers["x-trimtab-exchange"]
