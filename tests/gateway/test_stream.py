"""Streams through OpenAI's own client: what is held back, what is blocked, how they end."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.fakes.engine import sse
from tests.fakes.gateway import Running, running_gateway, until
from tests.fakes.guards import FLAGGED, REDACTED, REFUSED, word_screen

HI = [{"role": "user", "content": "hi"}]
LONG = "The quick brown fox jumps over the lazy dog, and then it does so again. "


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"stream_stall_seconds": 0.3}) as running:
        yield running


def heard(sdk: openai.OpenAI, **body: Any) -> list[ChatCompletionChunk]:
    return list(sdk.chat.completions.create(**{"model": "assistant", "messages": HI, "stream": True, **body}))


def texts(chunks: list[ChatCompletionChunk], n: int = 1) -> list[str]:
    said = [""] * n
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said[choice.index] += choice.delta.content or ""
    return said


def finishes(chunks: list[ChatCompletionChunk]) -> dict[int, str]:
    return {
        choice.index: choice.finish_reason
        for chunk in chunks
        for choice in chunk.choices
        if choice.finish_reason
    }


def raw(http: httpx.Client, **body: Any) -> httpx.Response:
    asked = {"model": "assistant", "messages": HI, "stream": True, **body}
    return http.post("/v1/chat/completions", json=asked)


def test_a_stream_says_what_the_engine_said(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(LONG)
    chunks = heard(sdk)
    assert texts(chunks) == [LONG]
    assert (finishes(chunks), chunks[0].choices[0].delta.role) == ({0: "stop"}, "assistant")
    assert {chunk.model for chunk in chunks} == {"assistant"}
    assert gateway.recorded.streamed
    assert gateway.recorded.answer == LONG


def test_its_head_is_an_event_streams_and_carries_the_exchange(gateway: Running, http: httpx.Client) -> None:
    answer = raw(http)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-trimtab-version"] == "base"
    assert answer.text.endswith("data: [DONE]\n\n")


def test_text_is_released_while_the_engine_still_speaks(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(LONG * 3, between_chunks=0.01)
    with sdk.chat.completions.create(model="assistant", messages=HI, stream=True) as stream:  # type: ignore[call-overload]
        next(iter(stream))
        assert gateway.engine.asked.state == "open"


def test_usage_comes_only_when_asked_for(gateway: Running, sdk: openai.OpenAI) -> None:
    assert all(chunk.usage is None for chunk in heard(sdk))
    last = heard(sdk, stream_options={"include_usage": True})[-1]
    assert last.usage
    assert last.usage.total_tokens == 12
    assert last.choices == []


def test_interleaved_choices_keep_role_text_and_finish(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(LONG, "short", LONG * 2)
    chunks = heard(sdk, n=3)
    roles = [c.index for chunk in chunks for c in chunk.choices if c.delta.role == "assistant"]
    assert texts(chunks, 3) == [LONG, "short", LONG * 2]
    assert finishes(chunks) == {0: "stop", 1: "stop", 2: "stop"}
    assert sorted(roles) == [0, 1, 2]


@pytest.mark.parametrize("before", ["", LONG])
@pytest.mark.parametrize("length", [1, 3, 1000])
def test_a_refused_word_never_leaves_however_it_is_cut(
    before: str, length: int, gateway: Running, sdk: openai.OpenAI
) -> None:
    gateway.engine.says(f"{before}the {REFUSED} sings {LONG}", chunk_length=length)
    chunks = heard(sdk, stream_options={"include_usage": True})
    assert "can" not in texts(chunks)[0]
    assert finishes(chunks) == {0: "content_filter"}
    assert chunks[-1].usage
    assert gateway.recorded.flagged


def test_a_block_before_the_first_word_says_the_refusal(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(REFUSED)
    assert texts(heard(sdk)) == ["I'd rather not."]


def test_a_block_hangs_up_on_the_engine(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(f"{LONG} {REFUSED} {LONG * 50}", between_chunks=0.01)
    heard(sdk)
    assert until(lambda: gateway.engine.asked.state == "left")


def test_the_connection_serves_on_after_a_block(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"{LONG}{REFUSED}")
    blocked = raw(http)
    gateway.engine.says("fine")
    fine = raw(http)
    assert blocked.text.endswith("data: [DONE]\n\n")
    assert blocked.extensions["network_stream"] is fine.extensions["network_stream"]


def test_one_blocked_choice_leaves_the_others_alone(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(LONG, LONG, LONG, f"{LONG}{REFUSED}{LONG}")
    chunks = heard(sdk, n=4)
    assert texts(chunks, 4)[:3] == [LONG] * 3
    assert REFUSED not in texts(chunks, 4)[3]
    assert finishes(chunks) == {0: "stop", 1: "stop", 2: "stop", 3: "content_filter"}


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "refusal"])
def test_every_text_of_a_stream_is_screened(field: str, gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(messages=({"role": "assistant", "content": "x", field: f"{LONG}{REFUSED}"},))
    answer = raw(http)
    assert REFUSED[:3] not in answer.text
    assert '"content_filter"' in answer.text


def call(arguments: str) -> dict[str, Any]:
    function = {"name": "look_up", "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call-1", "type": "function", "function": function}],
    }


def test_a_tool_calls_arguments_are_streamed(gateway: Running, sdk: openai.OpenAI) -> None:
    arguments = json.dumps({"where": "Paris", "what": LONG * 3})
    gateway.engine.says(messages=(call(arguments),), finish_reason="tool_calls")
    chunks = heard(sdk)
    calls = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or ()]
    assert {c.index for c in calls} == {0}
    assert [(c.id, c.function.name) for c in calls if c.function and c.id] == [("call-1", "look_up")]
    assert "".join(c.function.arguments or "" for c in calls if c.function) == arguments
    assert len(calls) > 5
    assert finishes(chunks) == {0: "tool_calls"}


def test_a_tool_calls_arguments_are_screened(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(messages=(call(f'{{"where": "{REFUSED}"}}'),))
    answer = raw(http)
    assert "canary" not in answer.text
    assert '"content_filter"' in answer.text


def test_a_secret_is_cut_out_of_a_stream(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(f"{LONG}it is {REDACTED}, {LONG}")
    assert texts(heard(sdk)) == [f"{LONG}it is [secret removed], {LONG}"]
    assert gateway.recorded.answer == f"{LONG}it is [secret removed], {LONG}"


def test_a_flagged_stream_is_delivered_and_recorded(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(f"{LONG}{FLAGGED} {LONG}")
    assert texts(heard(sdk)) == [f"{LONG}{FLAGGED} {LONG}"]
    assert gateway.recorded.flagged


def test_a_refused_prompt_is_answered_in_the_stream(gateway: Running, sdk: openai.OpenAI) -> None:
    began = time.monotonic()
    chunks = heard(sdk, messages=[{"role": "user", "content": REFUSED}], n=2)
    assert texts(chunks, 2) == ["I'd rather not."] * 2
    assert finishes(chunks) == {0: "content_filter", 1: "content_filter"}
    assert time.monotonic() - began < 1 + 10 * (not gateway.engine.requests)


def test_a_policy_may_refuse_a_stream_with_an_error(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.reset(word_screen(shape="error"))
    gateway.engine.says(REFUSED)
    with pytest.raises(openai.BadRequestError) as refusal:
        heard(sdk)
    assert refusal.value.code == "content_policy_violation"


def test_an_error_that_comes_too_late_for_a_status_comes_as_a_frame(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(word_screen(shape="error"))
    gateway.engine.says(f"{LONG}{REFUSED}", between_chunks=0.001)
    answer = raw(http)
    assert answer.status_code == 200
    assert "content_policy_violation" in answer.text
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"cut_after": 2}, 503),
        ({"stall_after": 2}, 504),
        ({"frames": ()}, 503),
        ({"frames": (b"data: [DONE]\n\n",)}, 502),
        ({"frames": (b"data: {broken\n\n",)}, 502),
        ({"frames": (sse({"type": "response.output_text.delta", "delta": REFUSED}),)}, 502),
        ({"frames": (sse({"choices": [{"index": 0, "text": REFUSED}]}),)}, 502),
        ({"frames": (sse({"choices": [{"index": 0, "delta": {"song": REFUSED}}]}),)}, 502),
        ({"frames": (sse({"choices": [{"index": 7, "delta": {"content": "x"}}]}),)}, 502),
        ({"refuse": (500, {})}, 502),
    ],
)
def test_an_engine_that_fails_before_the_first_word_is_an_honest_error(
    how: dict[str, Any], status: int, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says("short", **how)
    answer = raw(http)
    assert answer.status_code == status
    assert REFUSED not in answer.text
    assert "message" in answer.json()["error"]


@pytest.mark.parametrize(
    "how",
    [
        {"cut_after": 40},
        {"stall_after": 40},
        {"chunk_length": 40, "frames": None},
    ],
)
def test_an_engine_that_fails_mid_stream_never_ends_in_done(
    how: dict[str, Any], gateway: Running, sdk: openai.OpenAI
) -> None:
    if "frames" in how:
        how = {"frames": (sse({"choices": [{"index": 0, "delta": {"content": LONG}}]}), b"data: {broken\n\n")}
    gateway.engine.says(LONG * 5, **how)
    received: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIError):
        received.extend(sdk.chat.completions.create(model="assistant", messages=HI, stream=True))  # type: ignore[call-overload]
    assert texts(received)[0]
    assert not finishes(received)


def test_frames_without_text_are_not_passed_on(gateway: Running, http: httpx.Client) -> None:
    empty = sse({"choices": [{"index": 0, "delta": {"content": ""}}], "padding": ["x" * 1000]})
    end = sse({"choices": [{"index": 0, "delta": {"content": "done"}, "finish_reason": "stop"}]})
    gateway.engine.says(frames=(*[empty] * 1000, end, b"data: [DONE]\n\n"))
    assert len(raw(http).content) < 2000


def test_what_must_be_recorded_and_cannot_be_is_not_finished(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"{LONG}{FLAGGED}")
    gateway.recorder.full = True
    answer = raw(http)
    assert "ledger_full" in answer.text
    assert "[DONE]" not in answer.text
    assert '"finish_reason":"stop"' not in answer.text


def test_logprobs_travel_with_their_text(gateway: Running, http: httpx.Client) -> None:
    token = {"token": "ab", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    piece = {"index": 0, "delta": {"content": "ab"}, "logprobs": {"content": [token]}}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    gateway.engine.says(
        frames=(*[sse({"choices": [piece]})] * 30, sse({"choices": [end]}), b"data: [DONE]\n\n")
    )
    lines = [line for line in raw(http, logprobs=True).text.split("\n\n") if "logprobs" in line]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    tokens = [t for c in chunks for t in (c["choices"][0]["logprobs"] or {}).get("content", ())]
    assert len(tokens) == 30


def test_explain_comes_with_the_last_choices_finish(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(LONG)
    told = heard(sdk, extra_body={"alignment": {"explain": True}})[-1].model_extra
    assert told
    coverage = told["alignment"]["coverage"]
    assert coverage["complete"]
    assert coverage["screened_bytes"] == coverage["delivered_bytes"] == len(LONG)


def test_a_stream_under_guard_says_the_same_bytes_as_one_without(
    gateway: Running, sdk: openai.OpenAI
) -> None:
    text = "Grüße, 世界! 👩‍👩‍👧 " * 20
    gateway.engine.says(text, chunk_length=1)
    assert texts(heard(sdk)) == [text]
