"""Requests that cannot be honoured: a clear error that names the field, in OpenAI's shape."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.gateway import Running, running_gateway

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running_gateway(
        limits={"max_n": 8, "max_body_bytes": 10_000, "max_messages": 20, "max_texts": 30}
    ) as running:
        yield running


@pytest.fixture
def http(gateway: Running) -> Iterator[httpx.Client]:
    gateway.reset()
    with gateway.http() as client:
        yield client


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{}", b"\xff\xfe", b'{"model": "\\ud800"}', b"NaN", b"[" * 2000]
)
def test_a_body_that_is_no_request_is_a_400(body: bytes, http: httpx.Client) -> None:
    answer = http.post("/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [1]}, "messages.0"),
        ({"messages": [{"content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "song"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0.content.0.image_url",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "assistant", "tool_calls": 5}]}, "messages.0.tool_calls"),
        ({"messages": HI * 21}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 31}]},
            "messages.0.content.30.text",
        ),
        ({"tools": [{"function": {"name": "f"}}] * 30}, "tools.29.function.name"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"n": "2"}, "n"),
        ({"n": True}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"user": 1}, "user"),
        ({"user": "u" * 513}, "user"),
        ({"documents": [{"text": "x"}]}, "documents"),
        ({"chat_template": "{{ x }}"}, "chat_template"),
        ({"kv_transfer_params": {"remote_host": "10.0.0.5"}}, "kv_transfer_params"),
        ({"alignment": 1}, "alignment"),
        ({"alignment": {"strategie": "x"}}, "alignment.strategie"),
        ({"alignment": {"strategy": "the_best"}}, "alignment.strategy"),
        ({"alignment": {"n": 9}}, "alignment.n"),
        ({"alignment": {"n": "4"}}, "alignment.n"),
        ({"alignment": {"strategy": "best_of_n", "n": 1}, "n": 2}, "alignment.n"),
        ({"alignment": {"strategy": "single", "n": 2}}, "alignment.n"),
        ({"alignment": {"deadline_ms": 10**9}}, "alignment.deadline_ms"),
        ({"alignment": {"deadline_ms": 0}}, "alignment.deadline_ms"),
        ({"alignment": {"dial": {"safety": 1.0}}}, "alignment.dial.safety"),
        ({"alignment": {"dial": {"brevity": 2.0}}}, "alignment.dial.brevity"),
        ({"alignment": {"dial": {"brevity": 0.0}}}, "alignment.dial"),
        ({"alignment": {"dial": {}}}, "alignment.dial"),
        ({"alignment": {"strategy": "self_certainty", "dial": {"brevity": 1.0}}}, "alignment.dial"),
        ({"alignment": {"temperature": -1}}, "alignment.temperature"),
        ({"alignment": {"strategy": "best_of_n", "temperature": 1.0}}, "alignment.temperature"),
        ({"alignment": {"mu": 1000}}, "alignment.mu"),
        ({"alignment": {"mu": 40}}, "alignment.mu"),
        ({"alignment": {"strategy": "best_of_n", "mu": 1}}, "alignment.mu"),
        ({"alignment": {"strategy": "best_of_poisson", "n": 2}}, "alignment.n"),
    ],
)
def test_the_field_at_fault_is_named(change: dict[str, Any], param: str, http: httpx.Client) -> None:
    answer = http.post("/v1/chat/completions", json={"model": "assistant", "messages": HI, **change})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_an_unknown_model_is_not_found(gateway: Running) -> None:
    with gateway.sdk() as sdk, pytest.raises(openai.NotFoundError) as missing:
        sdk.chat.completions.create(model="gpt-9", messages=HI)  # type: ignore[arg-type]
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_a_body_too_large_is_a_413(http: httpx.Client) -> None:
    messages = [{"role": "user", "content": "x" * 10_000}]
    answer = http.post("/v1/chat/completions", json={"model": "assistant", "messages": messages})
    assert answer.status_code == 413


def test_a_context_too_long_is_told_as_openai_tells_it(gateway: Running, http: httpx.Client) -> None:
    message = "This model's maximum context length is 512 tokens. However, you requested 600."
    error = {"message": message, "type": "BadRequestError", "param": "input_tokens", "code": 400}
    gateway.engine.says(refuse=(400, {"error": error}))
    with gateway.sdk() as sdk, pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(model="assistant", messages=HI)  # type: ignore[arg-type]
    assert refused.value.code == "context_length_exceeded"
    assert refused.value.message.endswith(message)


@pytest.mark.parametrize(
    ("code", "told"), [(400, None), ("400", None), (None, None), ("invalid_value", "invalid_value")]
)
def test_an_engines_code_is_passed_on_where_it_is_one(
    code: Any, told: str | None, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(refuse=(400, {"error": {"message": "no", "param": "stop", "code": code}}))
    error = http.post("/v1/chat/completions", json={"model": "assistant", "messages": HI}).json()["error"]
    assert (error["code"], error["param"]) == (told, "stop")


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"refuse": (500, {})}, 502),
        ({"refuse": (404, {})}, 502),
        ({"refuse": (401, {})}, 502),
        ({"refuse": (429, {"error": {"message": "full"}})}, 429),
        ({"refuse": (503, {})}, 503),
        ({"raw": b"<html>"}, 502),
        ({"raw": b"{}"}, 502),
        ({"raw": b'{"choices": []}'}, 502),
        ({"raw": b'{"choices": [{"message": {"role": "assistant", "content": 5}}]}'}, 502),
    ],
)
def test_what_the_engine_does_wrong_is_told_honestly(
    how: dict[str, Any], status: int, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(**how)
    answer = http.post("/v1/chat/completions", json={"model": "assistant", "messages": HI})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert ("retry-after" in answer.headers) == (status in (429, 503))


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_is_away_is_a_503(stream: bool) -> None:
    engines = [{"name": "gone", "url": "http://127.0.0.1:9/v1"}]
    with running_gateway(engines=engines) as running, running.http() as http:
        asked = {"model": "assistant", "messages": HI, "stream": stream}
        answer = http.post("/v1/chat/completions", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_unavailable")


def test_more_requests_than_allowed_are_shed_at_once() -> None:
    limits = {"concurrent_requests": 1, "queued_requests": 0}
    with running_gateway(limits=limits) as running, running.http() as http:
        running.engine.says("x" * 400, between_chunks=0.05)
        asked = {"model": "assistant", "messages": HI}
        with http.stream("POST", "/v1/chat/completions", json={**asked, "stream": True}):
            excess = http.post("/v1/chat/completions", json=asked)
            assert http.get("/health").status_code == 200
    assert (excess.status_code, excess.headers["retry-after"]) == (429, "1")


def test_the_sdk_gives_up_when_it_said_it_would(gateway: Running) -> None:
    gateway.reset()
    gateway.engine.says(before_answer=30)
    with gateway.sdk(timeout=0.2) as sdk, pytest.raises(openai.APITimeoutError):
        sdk.chat.completions.create(model="assistant", messages=HI)  # type: ignore[arg-type]
