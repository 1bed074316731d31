"""Adaptive sampling against a real gateway: waves, and when they end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.strategies.memory import FEWEST
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REFUSED
from tests.gateway.strength.curves import curve

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}) as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset()
    served.tools.memory.forget()
    served.engine.says("a", "aaaaaaaaaa", "aa", "aaa", "aaaa", "aaaaa", "aaaaaa", "aaaaaaa")
    return served


def ask(http: httpx.Client, n: int = 4, **body: Any) -> httpx.Response:
    alignment = {"strategy": "adaptive", "n": n, "explain": True}
    return http.post(
        "/v1/chat/completions",
        json={"model": "assistant", "messages": HI, "seed": 0, "alignment": alignment, **body},
    )


def test_it_stops_once_an_answer_is_good_enough(gateway: Running, http: httpx.Client) -> None:
    learn(gateway, http)
    gateway.engine.says("a", "aa", "aaa", "a" * 40, "aaaa", "aa", "aaa", "aaaa")
    told = ask(http).json()
    assert told["choices"][0]["message"]["content"] == "a" * 40
    assert len(told["alignment"]["candidates"]) == 4
    assert "as good as the best of 4 on average" in told["alignment"]["why"]


def learn(gateway: Running, http: httpx.Client) -> None:
    for _ in range(FEWEST):
        ask(http)
    gateway.engine.requests.clear()


def test_it_draws_as_many_as_it_may_while_none_is(gateway: Running, http: httpx.Client) -> None:
    learn(gateway, http)
    gateway.engine.says("aaaa", "aaaa", "aaaa", "aaaa", "aaaa", "aaaa", "aaaa", "aaaa")
    told = ask(http, n=8).json()
    assert len(told["alignment"]["candidates"]) == 8
    assert [request.body.get("n") for request in gateway.engine.requests] == [2, 2, 2, 2]


def test_every_wave_has_a_seed_of_its_own(gateway: Running, http: httpx.Client) -> None:
    learn(gateway, http)
    gateway.engine.says(*["aaaa"] * 8)
    ask(http, n=8)
    assert [request.body["seed"] for request in gateway.engine.requests] == [0, 2, 4, 6]


def test_what_guards_withhold_is_neither_scored_nor_enough(gateway: Running, http: httpx.Client) -> None:
    learn(gateway, http)
    gateway.engine.says(f"{REFUSED} {'a' * 60}", "aa", "aa", "aa", "aa", "aa", "aa", "aa")
    told = ask(http, n=8).json()
    assert told["choices"][0]["message"]["content"] == "aa"
    assert told["alignment"]["candidates"][0]["reward"] is None


def test_without_rewards_it_takes_the_first_safe_one_of_n_and_says_so(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.rewards.fails = "away"
    answer = ask(http)
    assert answer.json()["choices"][0]["message"]["content"] == "a"
    assert "reward: unavailable; first safe candidate" in answer.headers["x-trimtab-degraded"]
    assert len(answer.json()["alignment"]["candidates"]) == 4


def test_usage_counts_the_prompt_once_and_every_candidate(gateway: Running, http: httpx.Client) -> None:
    learn(gateway, http)
    gateway.engine.says(*["aaaa"] * 8)
    assert ask(http, n=8).json()["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 40,
        "total_tokens": 47,
    }


def test_every_candidate_is_in_the_record(gateway: Running, http: httpx.Client) -> None:
    ask(http, n=8)
    assert [each.index for each in gateway.recorded.candidates] == list(
        range(len(gateway.recorded.candidates))
    )
    assert all(each.reward is not None for each in gateway.recorded.candidates)


def test_a_strength_curve_caps_what_it_may_draw(tmp_path: Path) -> None:
    strength = {"assistant": str(curve(tmp_path, n=4))}
    with running_gateway(limits={"max_n": 16}, alignment={"strength": strength}) as running:
        running.engine.says(*["aaaa"] * 8)
        running.rewards.fails = "nan"  # so that none is ever good enough
        with running.http() as http:
            told = ask(http, n=8).json()["alignment"]
    assert len(told["candidates"]) == 4


def test_a_wave_that_fails_leaves_what_was_there(gateway: Running, http: httpx.Client) -> None:
    learn(gateway, http)
    broken = (500, {"error": {"message": "broke"}})
    gateway.engine.says("aaaa", "aaaa", "b", "b", refuse=broken, refuse_from=1)
    answer = ask(http, n=8)
    assert answer.json()["choices"][0]["message"]["content"] == "aaaa"
    assert "engine: a wave failed" in answer.headers["x-trimtab-degraded"]


def test_a_route_is_learnt_from_first_waves_alone(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("aaa", "aa", "a", "a", "a", "a", "a", "a")
    gateway.tools.memory.forget()
    assert len(ask(http, n=8).json()["alignment"]["candidates"]) > 2
    assert list(gateway.tools.memory.of(("assistant", "base")).moments.groups) == [(3.0, 2.0)]
