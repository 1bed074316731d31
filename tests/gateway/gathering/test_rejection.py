"""Speculative rejection against a real gateway: who is cut, who is not, and when nobody is."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import Running, running_gateway, until
from tests.fakes.guards import REFUSED

HI = [{"role": "user", "content": "hi"}]
ROUTE = ("assistant", "base")


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}, alignment={"rejection": {"measured": 0.5}}) as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset()
    # A "token" of this engine is four characters, and it says every text at the same speed.
    served.engine.says("a" * 80, "bb" * 30, "ccc" * 40, "d" * 8, between_chunks=0.01)
    trust(served)
    return served


def trust(running: Running, *, tells: float = 1.0, length: float = 20.0) -> None:
    """As if beginnings had been held against ends before; an even number of requests ago, so that this one cuts."""
    known = running.tools.memory.of(ROUTE)
    known.requests, known.length = 0, length
    known.telling = {}
    for share in (0.2, 0.4):
        telling = known.at(share)
        for step in range(64):
            telling.pairs.append((step - 31.5, tells * (step - 31.5)))


def ask(http: httpx.Client, n: int = 4, timeout_seconds: float = 30, **body: Any) -> httpx.Response:
    alignment = {"strategy": "speculative_rejection", "n": n, "explain": True}
    return http.post(
        "/v1/chat/completions",
        json={"model": "assistant", "messages": HI, "seed": 0, "alignment": alignment, **body},
        timeout=timeout_seconds,
    )


def test_every_candidate_is_a_stream_of_its_own(gateway: Running, http: httpx.Client) -> None:
    ask(http)
    assert [request.body["seed"] for request in gateway.engine.requests] == [0, 1, 2, 3]
    assert all(request.body["stream"] and "n" not in request.body for request in gateway.engine.requests)


def test_the_worse_beginnings_are_hung_up_on(gateway: Running, http: httpx.Client) -> None:
    told = ask(http).json()["alignment"]
    assert [each["finish_reason"] for each in told["candidates"]].count("cut") >= 1
    assert until(lambda: sum(each.state == "left" for each in gateway.engine.requests) >= 1)


def test_the_answer_is_whole_and_the_best_of_those_left(gateway: Running, http: httpx.Client) -> None:
    told = ask(http).json()
    assert told["choices"][0]["finish_reason"] == "stop"
    whole = [each for each in told["alignment"]["candidates"] if each["finish_reason"] == "stop"]
    winner = next(each for each in whole if each["chosen"])
    assert winner["reward"] == max(each["reward"] for each in whole)


def test_beginnings_are_scored_as_such(gateway: Running, http: httpx.Client) -> None:
    ask(http)
    assert gateway.rewards.begun
    assert all(len(text) < 80 for text in gateway.rewards.begun[0])


def test_nothing_is_cut_where_beginnings_do_not_tell(gateway: Running, http: httpx.Client) -> None:
    trust(gateway, tells=0.0)
    told = ask(http).json()["alignment"]
    assert [each["finish_reason"] for each in told["candidates"]] == ["stop"] * 4
    assert "nothing was cut" in told["why"]


def test_nothing_is_cut_before_anything_is_known(gateway: Running, http: httpx.Client) -> None:
    gateway.tools.memory.of(ROUTE).telling.clear()
    assert "too little is known yet" in ask(http).json()["alignment"]["why"]


def test_what_measuring_shows_is_kept_and_told(gateway: Running, http: httpx.Client) -> None:
    known = gateway.tools.memory.of(ROUTE)
    known.telling.clear()
    ask(http)
    assert len(known.at(0.2).pairs) == 4
    assert gateway.metric("trimtab_partial_correlation", alias="assistant", checkpoint="0.2") != 0


def test_without_rewards_for_beginnings_nothing_is_cut(gateway: Running, http: httpx.Client) -> None:
    gateway.rewards.fails = "away"
    answer = ask(http)
    assert answer.json()["choices"][0]["message"]["content"] == "a" * 80
    assert "nothing cut early" in answer.headers["x-trimtab-degraded"]


def test_what_was_cut_is_recorded_with_the_reward_of_its_beginning(
    gateway: Running, http: httpx.Client
) -> None:
    ask(http)
    cut = [each for each in gateway.recorded.candidates if each.cut]
    assert cut
    assert all(each.reward is not None and not each.safe and each.screening is not None for each in cut)


def test_a_candidate_that_guards_withhold_does_not_win(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"{REFUSED} " + "a" * 80, "b" * 60, "c" * 20, "d" * 20, between_chunks=0.005)
    assert REFUSED not in ask(http).json()["choices"][0]["message"]["content"]


def test_one_stream_that_fails_does_not_fail_the_request(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("a" * 80, "b" * 40, "c" * 40, "d" * 40, cut_after=2, cut_seed=0)
    answer = ask(http)
    assert answer.json()["choices"][0]["message"]["content"] == "b" * 40
    assert "engine: candidates failed; 1 of 4" in answer.headers["x-trimtab-degraded"]


def test_where_every_stream_fails_the_request_does(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("a" * 80, "b" * 40, "c" * 40, "d" * 40, cut_after=2)
    assert ask(http).status_code in (502, 503)


def test_a_client_that_leaves_ends_every_stream(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("a" * 4000, "b" * 4000, "c" * 4000, "d" * 4000, between_chunks=0.01)
    with pytest.raises(httpx.ReadTimeout):
        ask(http, timeout_seconds=0.4)
    assert until(lambda: [each.state for each in gateway.engine.requests] == ["left"] * 4)


def test_the_deadline_holds_for_all_streams_together(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("a" * 4000, "b" * 4000, "c" * 4000, "d" * 4000, between_chunks=0.01)
    alignment = {"strategy": "speculative_rejection", "n": 4, "deadline_ms": 300}
    assert ask(http, alignment=alignment).status_code == 504
    assert until(lambda: all(each.state == "left" for each in gateway.engine.requests))


@pytest.fixture(scope="module")
def staged() -> Iterator[Running]:
    rejection = {"measured": 0.5, "by": "stages"}
    with running_gateway(limits={"max_n": 8}, alignment={"rejection": rejection}) as running:
        yield running


def ask_staged(staged: Running, **body: Any) -> httpx.Response:
    staged.reset()
    trust(staged)
    texts = ("a ", "bb bb bb ", "ccc ccc ", "d ")
    staged.engine.says(*texts, finish_reason="length")
    with staged.http() as http:
        return ask(http, max_tokens=20, **body)


def test_in_stages_only_the_better_beginnings_are_gone_on_with(staged: Running) -> None:
    told = ask_staged(staged).json()
    asked = [request.body for request in staged.engine.requests]
    assert (asked[0]["n"], asked[0]["max_tokens"], asked[0].get("stream")) == (4, 4, None)
    assert {each["messages"][-1]["content"] for each in asked[1:3]} == {"bb bb bb ", "ccc ccc "}
    assert [each["finish_reason"] for each in told["alignment"]["candidates"]].count("cut") == 3


def test_in_stages_an_answer_is_put_together_from_them(staged: Running) -> None:
    choice = ask_staged(staged).json()["choices"][0]
    assert choice["message"]["content"].startswith("bb bb bb ")
    assert choice["finish_reason"] == "length"


def test_in_stages_what_is_more_than_text_comes_in_streams(staged: Running) -> None:
    ask_staged(staged, tools=[{"type": "function", "function": {"name": "look"}}])
    assert all(request.body["stream"] for request in staged.engine.requests)


def test_where_all_that_was_left_fails_it_is_no_refusal(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("a" * 80, "b" * 80, "c" * 80, "d" * 80, between_chunks=0.01, cut_after=18)
    assert ask(http).status_code in (502, 503)


def test_what_is_whole_when_the_deadline_comes_near_is_chosen_from(
    gateway: Running, http: httpx.Client
) -> None:
    trust(gateway, tells=0.0)  # so that nothing is cut
    gateway.engine.says("a" * 4000, "bb bb", "c", "d", between_chunks=0.02)
    alignment = {"strategy": "speculative_rejection", "n": 4, "deadline_ms": 900}
    answer = ask(http, alignment=alignment)
    assert answer.json()["choices"][0]["message"]["content"] == "bb bb"
    assert "deadline: fewer candidates" in answer.headers["x-trimtab-degraded"]


def test_beginnings_are_scored_as_they_would_be_delivered(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(
        f"{REFUSED} " + "a" * 76, "b" * 60, "c" * 60, "d" * 60, between_chunks=0.01, chunk_length=8
    )
    ask(http)
    assert gateway.rewards.begun
    assert not any(REFUSED in text for texts in gateway.rewards.begun for text in texts)


@pytest.mark.parametrize("wrong", ["lots", [1], -5])
def test_a_limit_of_tokens_that_is_none_is_refused(wrong: Any, gateway: Running, http: httpx.Client) -> None:
    answer = ask(http, max_tokens=wrong)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "max_tokens")
