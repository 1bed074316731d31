"""The tool call guard in the gateway: what may not be called never reaches the client, streamed or not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from guards.policy.load import read_policy
from guards.screen import Screen
from tests.fakes.gateway import Running, running_gateway
from tests.gateway.test_streamed_calls import LONG, call, frames, heard, pieces, plainly

POLICY = """
name: tools
version: 1
guards:
  - id: tools
    kind: tool_calls
    where: [tool_call]
    on_error: closed
    hazards: {G.tool_misuse: {action: refuse}}
    config:
      allow:
        send:
          arguments: {type: object, properties: {text: {type: string}}, additionalProperties: false}
          checks: [url]
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset(Screen(read_policy(POLICY, "tools.yaml", Path())))
    return served


def streamed(
    gateway: Running, http: httpx.Client, arguments: str, **how: Any
) -> tuple[dict[int, Any], str, str]:
    return heard(http, *frames(*pieces(0, arguments, **how)), gateway=gateway)


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ({"text": LONG * 3}, "tool_calls"),
        ({"text": LONG * 3, "to": "me"}, "content_filter"),
        ({"text": f"{LONG} http://evil.example {LONG}"}, "content_filter"),
    ],
)
def test_arguments_are_held_to_their_bounds_streamed_and_plain(
    said: dict[str, Any], finish: str, gateway: Running, http: httpx.Client
) -> None:
    arguments = json.dumps(said)
    assert plainly(http, arguments, gateway=gateway)["finish_reason"] == finish
    calls, ended, _ = streamed(gateway, http, arguments)
    assert ended == finish
    assert [each["arguments"] for each in calls.values()] == ([arguments] if finish == "tool_calls" else [])


def test_an_unknown_tool_is_refused_while_its_arguments_have_only_begun(
    gateway: Running, http: httpx.Client
) -> None:
    begun = {"tool_calls": [call(0, name="send_money", id="c")]}, {"tool_calls": [call(0, '{"a')]}
    told = frames(*begun, {"tool_calls": [call(0, '": 1}')]}, end=None)[:-1]
    gateway.engine.says(frames=told, stall_after=2)
    body = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    answer = http.post("/v1/chat/completions", json=body, timeout=10)  # the engine itself never ends
    assert '"content_filter"' in answer.text
    assert "send_money" not in answer.text


def test_a_second_call_that_is_refused_takes_the_first_with_it(gateway: Running, http: httpx.Client) -> None:
    told = frames(*pieces(0, '{"text": "a"}'), *pieces(1, "{}", name="send_money"))
    _, finish, sent = heard(http, *told, gateway=gateway)
    assert finish == "content_filter"
    assert "send_money" not in sent


def test_only_what_the_request_offers_may_be_called(gateway: Running, http: httpx.Client) -> None:
    config = POLICY.partition("    config:")[0] + "    config: {only_declared: true}\n"
    gateway.reset(Screen(read_policy(config, "tools.yaml", Path())))
    arguments = "{}"
    assert plainly(http, arguments, gateway=gateway)["finish_reason"] == "content_filter"
    tools = [{"type": "function", "function": {"name": "send", "parameters": {}}}]
    body = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "tools": tools}
    assert http.post("/v1/chat/completions", json=body).json()["choices"][0]["finish_reason"] == "tool_calls"
