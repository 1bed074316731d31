"""Pictures, links and system prompts under a policy, as clients see them: streamed and plain come to the same."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from guards.policy.load import read_policy
from guards.screen import Screen
from tests.fakes.gateway import Running, running_gateway

SYSTEM = "You are Nora of Blue Heron Bank, and you never mention the interest rates of other banks to anyone."
POLICY = """
name: carried
version: 1
guards:
  - id: links
    kind: exfiltration
    where: [reply]
    on_error: closed
    hazards: {G.exfiltration: {action: redact}}
    config: {hosts: [good.example]}
  - id: leak
    kind: canary
    where: [reply]
    on_error: closed
    hazards: {G.prompt_leak: {action: refuse}}
    config: {from_system: true}
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset(Screen(read_policy(POLICY, "carried.yaml", Path())))
    return served


def heard(http: httpx.Client, *, stream: bool) -> tuple[str, str]:
    """What a client has of the answer, and how it ended."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "hi"}]
    answer = http.post(
        "/v1/chat/completions", json={"model": "assistant", "messages": messages, "stream": stream}
    )
    if not stream:
        choice = answer.json()["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    frames = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: {")]
    choices = [choice for frame in frames for choice in frame["choices"]]
    return "".join(one["delta"].get("content") or "" for one in choices), choices[-1]["finish_reason"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_picture_from_elsewhere_is_cut_out(stream: bool, gateway: Running, http: httpx.Client) -> None:
    before, after = "Here is what I found. " * 20, " And that is all there is to say." * 10
    gateway.engine.says(f"{before}![x](https://evil.example/a.png) ![y](https://good.example/b.png){after}")
    said, ended = heard(http, stream=stream)
    assert said == f"{before}![x]([picture from elsewhere removed]) ![y](https://good.example/b.png){after}"
    assert ended == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_leak_of_the_system_prompt_is_withheld(stream: bool, gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("Sure, as you ask so nicely. " * 10 + SYSTEM)
    said, ended = heard(http, stream=stream)
    assert ended == "content_filter"
    assert "interest" not in said
