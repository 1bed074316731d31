"""An attack in pieces: choices of one answer, and calls of tools, are read on from one another."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from guards.policy.load import read_policy
from guards.screen import Screen
from tests.fakes.gateway import Running, running_gateway

Json = dict[str, Any]
POLICY = """
name: pieces
version: 1
stream: {hold_back_chars: 64, overlap_chars: 64}
guards:
  - id: words
    kind: patterns
    where: [reply]
    on_error: closed
    hazards: {X.bad: {action: ACTION, threshold: 0.5}}
    config: {patterns: {bird: {hazard: X.bad, terms: [blue heron]}}}
  - id: short
    kind: length
    where: [reply]
    on_error: closed
    hazards: {X.too_long: {action: refuse, threshold: 0.5}}
    config: {max_chars: 60}
"""
HALVES = ("Look at the blue", "heron over there.")


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


@pytest.fixture(params=["refuse", "redact"])
def gateway(served: Running, request: pytest.FixtureRequest) -> Running:
    served.reset(Screen(read_policy(POLICY.replace("ACTION", request.param), "pieces.yaml", Path())))
    return served


def choices(http: httpx.Client, stream: bool = False, **asked: Any) -> dict[int, tuple[str, str]]:
    """Each choice's content, and why it ended."""
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": "assistant", "messages": messages, "stream": stream, **asked}
    answer = http.post("/v1/chat/completions", json=body).raise_for_status()
    if not stream:
        found = answer.json()["choices"]
        return {one["index"]: (one["message"]["content"], one["finish_reason"]) for one in found}
    said: dict[int, list[str]] = {}
    ended: dict[int, str] = {}
    for line in answer.text.splitlines():
        if line.startswith("data: {"):
            for one in json.loads(line[6:])["choices"]:
                said.setdefault(one["index"], []).append(one["delta"].get("content") or "")
                ended[one["index"]] = one["finish_reason"] or ended.get(one["index"], "")
    return {index: ("".join(pieces), ended[index]) for index, pieces in said.items()}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("halves", [HALVES, ("Look at the blue her", "on over there.")])
def test_the_choice_that_completes_an_attack_is_withheld(
    halves: tuple[str, str], stream: bool, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(*halves)
    found = choices(http, stream, n=2)
    assert found[0] == (halves[0], "stop")
    assert found[1][1] == "content_filter"
    assert halves[1] not in found[1][0]
    exchange = gateway.recorder.exchanges[-1]
    assert (exchange.flagged, exchange.hazards) == (True, ("X.bad",))


@pytest.mark.parametrize("stream", [False, True])
def test_choices_that_are_harmless_together_are_as_they_were(
    stream: bool, gateway: Running, http: httpx.Client
) -> None:
    """Together they are longer than one may be: length is each one's own."""
    texts = ("Look at the blue sky over the wide sea.", "There is a heron somewhere over there.")
    gateway.engine.says(*texts)
    assert choices(http, stream, n=2) == {place: (text, "stop") for place, text in enumerate(texts)}
    assert not gateway.recorder.exchanges[-1].flagged


def test_three_choices_are_read_in_their_order(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(HALVES[1], HALVES[0], HALVES[1])
    assert [end for _, end in choices(http, n=3).values()] == ["stop", "stop", "content_filter"]


def test_what_was_withheld_is_not_read_on_from(gateway: Running, http: httpx.Client) -> None:
    long = "Words " * 12 + HALVES[0]
    gateway.engine.says(long, HALVES[1])
    assert [end for _, end in choices(http, n=2).values()] == ["content_filter", "stop"]


def test_candidates_that_lose_are_not_read(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(*HALVES)
    alignment = {"strategy": "best_of_n", "n": 2}
    assert [end for _, end in choices(http, alignment=alignment).values()] == ["stop"]
    assert not gateway.recorder.exchanges[-1].flagged


def calls(*texts: str) -> Json:
    told = [
        {
            "id": f"c{place}",
            "type": "function",
            "function": {"name": "say", "arguments": json.dumps({"q": text})},
        }
        for place, text in enumerate(texts)
    ]
    return {"role": "assistant", "content": None, "tool_calls": told}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("texts", "end"), [(HALVES, "content_filter"), (HALVES[::-1], "tool_calls")])
def test_calls_of_tools_are_read_on_from_one_another(
    texts: tuple[str, str], end: str, stream: bool, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says("", messages=(calls(*texts),), finish_reason="tool_calls")
    assert choices(http, stream)[0][1] == end
