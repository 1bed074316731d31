"""Errors in Anthropic's shape: each a class of its own in Anthropic's client, each naming the client's own field."""

from typing import Any

import anthropic
import httpx
import pytest

from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REDACTED, REFUSED
from tests.gateway.api.messages.conftest import Ask, client_of

ASK: dict[str, Any] = {"model": "assistant", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
ONE_AT_ONCE = {"concurrent_requests": 1, "queued_requests": 0}


def user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": list(blocks)}]}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"model": None}, "model"),
        ({"n": 2}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        (user("hi"), "messages.0.content.0"),
        (user({"text": "hi"}), "messages.0.content.0"),
        (user({"type": "text"}), "messages.0.content.0.text"),
        (user({"type": "text", "text": "a"}, {"type": "document"}), "messages.0.content.1.type"),
        (user({"type": "tool_use", "id": "a", "name": "f", "input": {}}), "messages.0.content.0.type"),
        (user({"type": "image", "source": {"type": "file", "file_id": "x"}}), "messages.0.content.0.source"),
        (user({"type": "tool_result", "content": "x"}), "messages.0.content.0.tool_use_id"),
        (user({"type": "tool_result", "content": 5}), "messages.0.content.0.content"),
        (
            user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "search_result"}]}),
            "messages.0.content.0.content.0.type",
        ),
        (assistant({"type": "image"}), "messages.0.content.0.type"),
        (assistant({"type": "tool_use", "id": "a", "name": "f", "input": "x"}), "messages.0.content.0.input"),
        (assistant({"type": "tool_use", "name": "f", "input": {}}), "messages.0.content.0.id"),
        (assistant({"type": "tool_use", "id": "a", "input": {}}), "messages.0.content.0.name"),
        ({"system": 5}, "system"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools.0"),
        ({"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]}, "tools.1.type"),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{**TOOL, "input_schema": {"properties": {REDACTED: {}}}}]}, "tools.0"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"tool_choice": {"type": ["auto"]}}, "tool_choice"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"metadata": "me"}, "metadata"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"thinking": True}, "thinking"),
        ({"thinking": {"type": "enabled"}}, "thinking"),
        ({"output_config": "json"}, "output_config"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format"),
        ({"alignment": {"n": "many"}}, "alignment.n"),
        ({"chat_template": "x"}, "chat_template"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(
    asked: dict[str, Any], param: str, gateway: Running, ask: Ask
) -> None:
    answer = ask(**asked)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert not gateway.engine.requests


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("thinking_token_budget", "thinking.budget_tokens"),
        ("stop", "stop_sequences"),
        ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
        ("messages.1.content", "messages"),
        ("tools.0.function.parameters", "tools.0"),
        ("top_k", "top_k"),
        (None, None),
    ],
)
def test_what_the_engine_refuses_is_named_as_the_client_named_it(
    theirs: str | None, ours: str | None, gateway: Running, ask: Ask
) -> None:
    gateway.engine.says(refuse=(400, {"error": {"message": "not here", "param": theirs, "code": 400}}))
    error = ask().json()["error"]
    assert error == {"type": "invalid_request_error", "message": "not here", "param": ours, "code": None}


@pytest.mark.parametrize(
    ("refuse", "expected", "kind"),
    [
        ((400, {"error": {"message": "too long"}}), anthropic.BadRequestError, "invalid_request_error"),
        ((429, {"error": {"message": "slow down"}}), anthropic.RateLimitError, "rate_limit_error"),
        ((500, {}), anthropic.InternalServerError, "api_error"),
        ((503, {}), anthropic.ServiceUnavailableError, "overloaded_error"),
    ],
)
def test_each_failure_of_the_engine_has_its_class_in_the_client(
    refuse: tuple[int, dict[str, Any]],
    expected: type[anthropic.APIStatusError],
    kind: str,
    gateway: Running,
    client: anthropic.Anthropic,
) -> None:
    gateway.engine.says(refuse=refuse)
    with pytest.raises(expected) as failed:
        client.messages.create(**ASK)
    assert failed.value.body["type"] == "error"
    assert failed.value.body["error"]["type"] == kind


def test_an_engine_that_takes_too_long_is_a_timeout(gateway: Running, ask: Ask) -> None:
    gateway.engine.says(before_answer=5)
    answer = ask(alignment={"deadline_ms": 50})
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "timeout_error")


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens/more", "/v1/messages/batches"])
def test_what_is_not_here_is_told_in_anthropics_shape(path: str, http: httpx.Client) -> None:
    answer = http.post(path, json=ASK)
    assert (answer.status_code, answer.json()["type"]) == (404, "error")
    assert answer.json()["error"]["type"] == "not_found_error"


def test_an_unknown_model_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(**{**ASK, "model": "claude-opus-9"})
    assert missing.value.body["error"]["type"] == "not_found_error"


def test_a_wrong_key_is_no_key(gateway: Running) -> None:
    with client_of(gateway, "nobody") as stranger, pytest.raises(anthropic.AuthenticationError) as failed:
        stranger.messages.create(**ASK)
    assert failed.value.body["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_without_a_key_nobody_comes_in(path: str, gateway: Running) -> None:
    with httpx.Client(base_url=gateway.server.url) as nobody:
        answer = nobody.post(path, json=ASK)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


def test_a_viewer_may_not_ask(gateway: Running) -> None:
    with client_of(gateway, "viewer") as viewer, pytest.raises(anthropic.PermissionDeniedError) as failed:
        viewer.messages.create(**ASK)
    assert failed.value.body["error"]["type"] == "permission_error"


def test_too_much_at_once_is_told_as_a_rate_limit() -> None:
    with running_gateway(limits=ONE_AT_ONCE) as gateway, client_of(gateway) as client:
        gateway.engine.says("a fairly long answer " * 20, stall_after=30)
        with client.messages.stream(**ASK) as stream:
            next(stream.text_stream)
            with pytest.raises(anthropic.RateLimitError) as failed:
                client.messages.create(**ASK)
    assert failed.value.body["error"]["type"] == "rate_limit_error"


def test_a_body_that_is_too_large_is_told_so(ask: Ask) -> None:
    answer = ask(system="x" * 100_001)
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")


def test_a_body_that_is_no_json_is_told_so(http: httpx.Client) -> None:
    answer = http.post("/v1/messages", content=b"{")
    assert (answer.status_code, answer.json()["type"]) == (400, "error")


def test_no_error_quotes_what_was_asked(gateway: Running, ask: Ask) -> None:
    assert REFUSED not in ask(**user({"type": "document", "source": REFUSED})).text
