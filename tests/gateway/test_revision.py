"""A reply that may not pass as it is: criticised and rewritten by the policy model, screened again, and recorded."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway.revision import CRITIQUE, REWRITE
from guards.kinds import Kind
from guards.policy.load import read_policy
from guards.screen import Screen
from guards.verdict import Action
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import FLAGGED, REFUSED, Words

POLICY = """
name: revising
version: 1
refusal: {{as: refuse, text: "I'd rather not."}}
revision:
  principles: [Be kind., Be true.]
  rounds: {rounds}
  streams: {streams}
stream: {{hold_back_chars: 16, overlap_chars: 64}}
guards:
  - id: words
    kind: words
    where: [reply]
    on_error: closed
    hazards:
      hte: {{action: refuse}}
      dfm: {{action: revise}}
"""
HI = [{"role": "user", "content": "hi"}]
RUDE, KIND = f"You are {FLAGGED}.", "You are welcome."


def revising(rounds: int = 1, streams: str = "whole") -> Screen:
    kinds: Mapping[str, Kind] = {"words": Words()}
    return Screen(read_policy(POLICY.format(rounds=rounds, streams=streams), "p", Path(), kinds), kinds)


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}) as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset(revising())
    served.engine.says(RUDE, afterwards=("It is not kind.", KIND))
    return served


def ask(http: httpx.Client, **body: Any) -> dict[str, Any]:
    asked = {"model": "assistant", "messages": HI, "alignment": {"explain": True}, **body}
    answer = http.post("/v1/chat/completions", json=asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def content(answer: Mapping[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def test_the_rewritten_reply_is_delivered(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http)
    assert content(answer) == KIND
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["alignment"]["action"] == "revise"
    assert answer["alignment"]["why"].endswith("Revised by the policy's principles.")


def test_the_model_is_asked_for_a_critique_by_the_principles_and_then_to_rewrite(
    gateway: Running, http: httpx.Client
) -> None:
    ask(http, max_tokens=50, logprobs=True)
    first, critique, rewrite = (request.body for request in gateway.engine.requests)
    assert critique["messages"] == [
        *HI,
        {"role": "assistant", "content": RUDE},
        {"role": "user", "content": CRITIQUE.format(principles="- Be kind.\n- Be true.")},
    ]
    assert rewrite["messages"][3:] == [
        {"role": "assistant", "content": "It is not kind."},
        {"role": "user", "content": REWRITE},
    ]
    assert first["logprobs"] is True
    assert not {"logprobs", "n"} & (critique.keys() | rewrite.keys())
    assert (critique["max_tokens"], rewrite["max_tokens"]) == (256, 50)


def test_the_reply_and_its_revision_are_recorded_as_what_they_are(
    gateway: Running, http: httpx.Client
) -> None:
    ask(http)
    exchange = gateway.recorded
    assert [(each.text, each.safe, each.revision_of) for each in exchange.candidates] == [
        (RUDE, False, None),
        (KIND, True, 0),
    ]
    assert (exchange.action, exchange.chosen, exchange.answer) == (Action.REVISE, 1, KIND)


def test_the_tokens_of_all_three_calls_are_counted(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http)
    each = [request.state for request in gateway.engine.requests]
    assert len(each) == 3
    assert answer["usage"]["total_tokens"] == gateway.recorded.usage.total
    assert gateway.recorded.usage.completion > gateway.recorded.candidates[0].tokens


def test_what_is_refused_is_not_revised(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"{RUDE} {REFUSED}", afterwards=("no", KIND))
    assert content(ask(http)) == "I'd rather not."
    assert len(gateway.engine.requests) == 1


def test_a_reply_that_may_pass_costs_no_further_call(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(KIND)
    assert content(ask(http)) == KIND
    assert len(gateway.engine.requests) == 1


def test_a_revision_that_may_not_pass_either_is_refused(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(RUDE, afterwards=("no", RUDE))
    answer = ask(http)
    assert content(answer) == "I'd rather not."
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert [each.revision_of for each in gateway.recorded.candidates] == [None, 0]


def test_it_is_tried_as_often_as_the_policy_says(gateway: Running, http: httpx.Client) -> None:
    gateway.reset(revising(rounds=3))
    gateway.engine.says(RUDE, afterwards=("no", RUDE))
    ask(http)
    assert len(gateway.engine.requests) == 1 + 3 * 2


def test_an_engine_that_fails_meanwhile_leaves_a_refusal_and_says_so(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(RUDE, refuse=(500, {}), refuse_afterwards=True)
    answer = ask(http)
    assert content(answer) == "I'd rather not."
    assert answer["alignment"]["degraded"] == ["revision: unavailable"]


@pytest.mark.parametrize("stream", [False, True])
def test_each_of_several_choices_is_revised(stream: bool, gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(KIND, RUDE, afterwards=("no", "Better."))
    told: dict[int, str] = {}
    if stream:
        for chunk in sdk.chat.completions.create(model="assistant", messages=HI, n=2, stream=True):  # type: ignore[call-overload]
            for choice in chunk.choices:
                told[choice.index] = told.get(choice.index, "") + (choice.delta.content or "")
    else:
        answer = sdk.chat.completions.create(model="assistant", messages=HI, n=2)  # type: ignore[call-overload]
        told = {choice.index: choice.message.content for choice in answer.choices}
    assert told == {0: KIND, 1: "Better."}


def test_where_the_best_wins_only_one_is_revised_and_only_if_none_is_safe(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(RUDE, RUDE + "!", afterwards=("no", KIND))
    answer = ask(http, alignment={"strategy": "best_of_n", "n": 2, "explain": True})
    assert content(answer) == KIND
    assert len(gateway.engine.requests) == 3
    gateway.engine.says(RUDE, KIND)
    assert content(ask(http, alignment={"strategy": "best_of_n", "n": 2})) == KIND
    assert len(gateway.engine.requests) == 1


def test_a_policy_may_have_streams_refused_instead(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.reset(revising(streams="refuse"))
    gateway.engine.says(RUDE, afterwards=("no", KIND))
    chunks = list(sdk.chat.completions.create(model="assistant", messages=HI, stream=True))  # type: ignore[call-overload]
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert len(gateway.engine.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_escalated_is_refused_and_marked(stream: bool, gateway: Running, sdk: openai.OpenAI) -> None:
    kinds: Mapping[str, Kind] = {"words": Words()}
    text = POLICY.format(rounds=1, streams="refuse").replace(
        "dfm: {action: revise}", "dfm: {action: escalate}"
    )
    gateway.reset(Screen(read_policy(text, "p", Path(), kinds), kinds))
    gateway.engine.says(RUDE)
    if stream:
        chunks = list(sdk.chat.completions.create(model="assistant", messages=HI, stream=True))  # type: ignore[call-overload]
        assert chunks[-1].choices[0].finish_reason == "content_filter"
    else:
        answer = sdk.chat.completions.create(model="assistant", messages=HI)  # type: ignore[call-overload]
        assert answer.choices[0].message.content == "I'd rather not."
    assert gateway.recorded.action is Action.ESCALATE
