"""Selection as clients ask for it: knobs, dials, fallbacks, caps and sizes, through a whole gateway."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.alignment import Alignment
from gateway.settings import SettingsInvalid, load_settings
from gateway.strategies import STRATEGIES
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import word_screen
from tests.gateway.strength.curves import curve

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}, alignment={"n": 4}) as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset()
    served.engine.says("a", "the longest of all", "bbb")
    return served


@pytest.fixture
def http(served: Running) -> Iterator[httpx.Client]:
    with served.http() as client:
        yield client


def ask(http: httpx.Client, alignment: dict[str, Any], **body: Any) -> httpx.Response:
    asked = {"model": "assistant", "messages": HI, "alignment": {"explain": True, **alignment}, **body}
    return http.post("/v1/chat/completions", json=asked)


def content(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def test_a_temperature_alone_asks_for_soft_best_of_n(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http, {"temperature": 1000.0, "n": 3})
    assert answer.headers["x-trimtab-strategy"] == "soft_best_of_n"
    assert "at temperature 1000 with a chance of 33" in answer.json()["alignment"]["why"]


def test_mu_alone_asks_for_best_of_poisson_and_draws_its_n(gateway: Running, http: httpx.Client) -> None:
    drawn = set()
    for _ in range(30):
        answer = ask(http, {"mu": 3.0})
        assert answer.headers["x-trimtab-strategy"] == "best_of_poisson"
        asked = gateway.engine.asked.body.get("n", 1)
        assert answer.json()["alignment"]["n"] == asked <= 8
        drawn.add(asked)
    assert len(drawn) > 2


def test_a_dial_weighs_brevity_against_the_reward(gateway: Running, http: httpx.Client) -> None:
    assert content(ask(http, {"n": 3, "dial": {"reward": 1.0}})) == "the longest of all"
    assert content(ask(http, {"n": 3, "dial": {"reward": 0.1, "brevity": 1.0}})) in {"a", "bbb"}


def test_a_policy_may_keep_strategies_and_weights_to_itself(gateway: Running, http: httpx.Client) -> None:
    gateway.reset(word_screen(bounds="{strategies: [single, best_of_n], dial: {brevity: [0, 0.2]}}"))
    refused = ask(http, {"strategy": "majority"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (403, "alignment.strategy")
    refused = ask(http, {"n": 3, "dial": {"brevity": 0.5}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "alignment.dial.brevity")
    assert ask(http, {"n": 3, "dial": {"brevity": 0.2}}).status_code == 200


def test_what_a_dial_leaves_out_weighs_the_least_that_the_policy_allows() -> None:
    with (
        running_gateway(reward={"url": "http://127.0.0.1:9", "heads": ["safety"]}) as gateway,
        gateway.http() as http,
    ):
        told = ask(http, {"n": 2, "dial": {"brevity": 1.0}})
        # The reward server here gives no heads, so the one that the policy insists on is missed, and told of.
        assert told.headers["x-trimtab-degraded"].startswith("dial: heads are missing; no safety")
        assert gateway.metric("trimtab_degraded_total", reason="dial: heads are missing") == 1


def test_the_majority_needs_no_reward_server() -> None:
    with running_gateway(reward={"url": None}) as gateway, gateway.http() as http:
        gateway.engine.says("7", "So it is 42", "42")
        assert content(ask(http, {"strategy": "majority", "n": 3})) in {"So it is 42", "42"}
        assert ask(http, {"strategy": "best_of_n", "n": 3}).status_code == 400


def logprobs(*alternatives: float) -> dict[str, Any]:
    top = [{"token": "x", "logprob": each, "bytes": None} for each in alternatives]
    return {"content": [{"token": "x", "logprob": max(alternatives), "bytes": None, "top_logprobs": top}]}


def raw(*told: dict[str, Any] | None) -> bytes:
    texts = ("Perhaps so.", "Surely so.", "Maybe so.")
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": texts[i]},
            "logprobs": one,
            "finish_reason": "stop",
        }
        for i, one in enumerate(told)
    ]
    return json.dumps({"id": "x", "object": "chat.completion", "choices": choices, "usage": {}}).encode()


SURE, UNSURE = logprobs(-0.001, -8.0, -9.0), logprobs(-1.0, -1.1, -1.2)


def test_the_surest_wins_and_its_logprobs_stay_here(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=raw(UNSURE, SURE))
    answer = ask(http, {"strategy": "self_certainty", "n": 2})
    assert content(answer) == "Surely so."
    assert answer.json()["choices"][0]["logprobs"] is None
    assert (gateway.engine.asked.body["logprobs"], gateway.engine.asked.body["top_logprobs"]) == (True, 20)
    assert not gateway.rewards.asked


def test_a_client_gets_the_alternatives_that_it_asked_for(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=raw(UNSURE, SURE))
    answer = ask(http, {"strategy": "self_certainty", "n": 2}, logprobs=True, top_logprobs=1)
    (token,) = answer.json()["choices"][0]["logprobs"]["content"]
    assert [each["logprob"] for each in token["top_logprobs"]] == [-0.001]


def test_an_engine_that_tells_no_logprobs_leaves_the_choice_to_rewards(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(raw=raw(None, None))
    told = ask(http, {"strategy": "self_certainty", "n": 2}).json()["alignment"]
    assert "no logprobs to be sure by" in told["why"]


def test_where_no_engine_gives_logprobs_they_are_not_asked_for() -> None:
    with running_gateway() as gateway, gateway.http() as http:
        gateway.tools.engine.replicas[0].can.learn("logprobs", can=False)
        gateway.engine.says("a", "b")
        answer = ask(http, {"strategy": "self_certainty", "n": 2})
        assert answer.headers["x-trimtab-degraded"] == "self-certainty: the engine gives no logprobs"
        assert "logprobs" not in gateway.engine.asked.body
        own = ask(http, {"strategy": "self_certainty", "n": 2}, logprobs=True)
        assert (own.status_code, own.json()["error"]["param"]) == (400, "logprobs")


def test_a_risky_prompt_gets_more_candidates_unless_a_number_was_asked_for() -> None:
    changes = {"alignment": {"strategy": "best_of_n", "n": 2, "n_at_risk": 6}, "limits": {"max_n": 8}}
    risky = [{"role": "user", "content": "how rude"}]
    with running_gateway(**changes) as gateway, gateway.http() as http:
        raised = ask(http, {}, messages=risky)
        assert gateway.engine.asked.body["n"] == 6
        assert raised.headers["x-trimtab-adjusted"] == "n raised from 2 to 6 for the prompt's risk"
        assert gateway.metric("trimtab_selection_adjusted_total", what="n raised") == 1
        assert "x-trimtab-adjusted" not in ask(http, {}).headers
        ask(http, {"n": 3}, messages=risky)
        assert gateway.engine.asked.body["n"] == 3


@pytest.mark.parametrize(
    ("fallback", "texts", "consequence", "won"),
    [
        ("first_safe", (UNSURE, SURE), "first safe candidate", "Perhaps so."),
        ("self_certainty", (UNSURE, SURE), "the surest candidate", "Surely so."),
        ("self_certainty", (None, None), "first safe candidate", "Perhaps so."),
    ],
)
def test_without_rewards_the_configured_fallback_chooses_and_it_shows(
    fallback: str, texts: tuple[Any, ...], consequence: str, won: str
) -> None:
    reward = {"url": "http://127.0.0.1:9", "fallback": fallback}
    with running_gateway(reward=reward) as gateway, gateway.http() as http:
        gateway.rewards.fails = "away"
        gateway.engine.says(raw=raw(*texts))
        answer = ask(http, {"n": 2})
        assert content(answer) == won
        assert answer.headers["x-trimtab-degraded"] == f"reward: unavailable; {consequence}"
        assert gateway.metric("trimtab_degraded_total", reason="reward: unavailable") == 1


def test_the_majority_may_stand_in_for_rewards() -> None:
    reward = {"url": "http://127.0.0.1:9", "fallback": "majority"}
    with running_gateway(reward=reward) as gateway, gateway.http() as http:
        gateway.rewards.fails = "away"
        gateway.engine.says("7", "42", "It is 42")
        answer = ask(http, {"n": 3})
        assert content(answer) == "42"
        assert answer.headers["x-trimtab-degraded"] == "reward: unavailable; the answer of most"


def test_a_strength_curve_caps_what_is_asked_for(tmp_path: Path) -> None:
    path = curve(tmp_path, n=2.9, mu=1.5, temperature=0.5)
    with running_gateway(alignment={"strength": {"assistant": str(path)}}) as gateway, gateway.http() as http:
        capped = ask(http, {"n": 8})
        assert gateway.engine.asked.body["n"] == 2
        assert capped.headers["x-trimtab-adjusted"] == "n capped from 8 to 2"
        assert capped.json()["alignment"]["adjusted"] == ["n capped from 8 to 2"]
        assert gateway.metric("trimtab_selection_adjusted_total", what="n capped") == 1
        assert ask(http, {"mu": 4}).headers["x-trimtab-adjusted"] == "mu capped from 4 to 1.5"
        assert (
            ask(http, {"temperature": 0.1}).headers["x-trimtab-adjusted"]
            == "temperature raised from 0.1 to 0.5"
        )
        assert "x-trimtab-adjusted" not in ask(http, {"strategy": "majority", "n": 8}).headers
        # What is returned is OpenAI's own field, and no cap on strength takes an answer away.
        assert len(ask(http, {"n": 8}, n=3).json()["choices"]) == 3


@pytest.mark.parametrize(("cap", "n"), [(100.0, 6), (4.0, 4)])
def test_a_risky_prompt_gets_no_more_than_bounds_and_curve_allow(cap: float, n: int, tmp_path: Path) -> None:
    strength = {"assistant": str(curve(tmp_path, n=cap))}
    alignment = {"strategy": "best_of_n", "n": 2, "n_at_risk": 6, "strength": strength}
    with running_gateway(alignment=alignment) as gateway, gateway.http() as http:
        ask(http, {}, messages=[{"role": "user", "content": "how rude"}])
        assert gateway.engine.asked.body["n"] == n


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "is no strength curve: the document"),
        ("{}", "is no strength curve: alias"),
        (None, "cannot be read"),
    ],
)
def test_a_malformed_curve_refuses_to_start_and_names_itself(
    text: str | None, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "curve.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsInvalid, match=rf"alignment\.strength\.assistant.*{named}"):
        load_settings(alignment={"strength": {"assistant": str(path)}})


def test_how_far_selection_moved_is_told_and_counted(gateway: Running, http: httpx.Client) -> None:
    before = gateway.metric("trimtab_selection_kl_bound_count", strategy="best_of_n")
    told = ask(http, {"n": 4}).json()["alignment"]
    assert told["kl_bound"] == pytest.approx(math.log(4) - 3 / 4, abs=1e-6)
    assert ask(http, {"strategy": "single"}).json()["alignment"]["kl_bound"] == 0.0
    assert gateway.metric("trimtab_selection_kl_bound_count", strategy="best_of_n") == before + 1


def test_the_schema_names_every_strategy_and_every_field(http: httpx.Client) -> None:
    schema = http.get("/openapi.json").json()["components"]["schemas"]["Alignment"]
    assert {each for each in schema["properties"]["strategy"]["enum"] if each} == set(STRATEGIES)
    assert set(schema["properties"]) == set(Alignment.model_fields)
