"""Best of n: one call, safe before scored before chosen, and a fallback that is never random."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REFUSED, word_screen

HI = [{"role": "user", "content": "hi"}]
TEXTS = ("a", f"the longest of all says {REFUSED}", "the longer one", "short")


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}) as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset()
    served.engine.says(*TEXTS)
    return served


def ask(http: httpx.Client, n: int = 4, **body: Any) -> httpx.Response:
    alignment = {"strategy": "best_of_n", "n": n, "explain": True}
    asked = {"model": "assistant", "messages": HI, "alignment": alignment, **body}
    return http.post("/v1/chat/completions", json=asked)


def contents(answer: httpx.Response) -> list[str]:
    return [choice["message"]["content"] for choice in answer.json()["choices"]]


def test_the_safe_candidate_with_the_highest_reward_wins(gateway: Running, http: httpx.Client) -> None:
    answer = ask(http)
    assert contents(answer) == ["the longer one"]
    assert answer.headers["x-trimtab-strategy"] == "best_of_n"
    assert (gateway.recorded.chosen, gateway.recorded.candidates[2].reward) == (2, 14.0)


def test_candidates_come_from_one_call_with_the_clients_own_parameters(
    gateway: Running, http: httpx.Client
) -> None:
    ask(http, temperature=0.9, max_tokens=7)
    assert [request.body for request in gateway.engine.requests] == [
        {"model": "base", "messages": HI, "temperature": 0.9, "max_tokens": 7, "n": 4}
    ]


def test_a_withheld_candidate_is_never_scored(gateway: Running, http: httpx.Client) -> None:
    ask(http)
    assert gateway.rewards.asked == [["a", "the longer one", "short"]]


def test_usage_counts_every_candidate(gateway: Running, http: httpx.Client) -> None:
    assert ask(http).json()["usage"]["completion_tokens"] == 20


def test_explain_tells_rewards_and_why(gateway: Running, http: httpx.Client) -> None:
    told = ask(http).json()["alignment"]
    assert [each["reward"] for each in told["candidates"]] == [1.0, None, 14.0, 5.0]
    assert [each["chosen"] for each in told["candidates"]] == [False, False, True, False]
    assert told["why"] == "The highest reward, 14, of 3 safe candidates among 4."


def test_one_choice_is_returned_unless_asked_otherwise(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("aa", "aaaa", "aaaa", "a")
    assert contents(ask(http)) == ["aaaa"]


def test_openais_n_returns_the_best_distinct_ones(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("aa", "aaaa", "aaaa", "a")
    asked = {"model": "assistant", "messages": HI, "n": 3, "alignment": {"n": 4}}
    answer = http.post("/v1/chat/completions", json=asked)
    assert contents(answer) == ["aaaa", "aa", "a"]
    assert [choice["index"] for choice in answer.json()["choices"]] == [0, 1, 2]


def test_ties_go_to_the_first(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("abc", "xyz")
    assert contents(ask(http, n=2)) == ["abc"]


def test_a_refusal_when_every_candidate_is_withheld(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(REFUSED)
    answer = ask(http)
    assert contents(answer) == ["I'd rather not."]
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert not gateway.rewards.asked


def test_an_error_when_every_candidate_is_withheld_and_the_policy_wants_it(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(word_screen(shape="error"))
    gateway.engine.says(REFUSED)
    answer = ask(http)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_policy_violation")


def test_a_reward_model_reads_the_conversation_as_plain_text(gateway: Running, http: httpx.Client) -> None:
    content = [{"type": "text", "text": "hi"}, {"type": "input_text", "text": "there"}]
    ask(http, messages=[{"role": "user", "content": content}])
    assert [turn["content"] for turn in gateway.rewards.read[-1]] == ["hi\nthere"]


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("away", "reward: unavailable"),
        ("refused", "reward: refused"),
        ("slow", "reward: unavailable"),
        ("nan", "reward: garbage"),
        ("short", "reward: garbage"),
    ],
)
def test_without_rewards_the_first_safe_candidate_wins_and_it_shows(
    fails: str, reason: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(REFUSED, "first safe", "second safe and longer")
    gateway.rewards.fails = fails
    before = gateway.metric("trimtab_degraded_total", reason=reason)
    answer = ask(http, n=3)
    assert contents(answer) == ["first safe"]
    assert answer.headers["x-trimtab-degraded"] == f"{reason}; first safe candidate"
    assert answer.json()["alignment"]["degraded"] == [f"{reason}; first safe candidate"]
    assert gateway.metric("trimtab_degraded_total", reason=reason) == before + 1


def test_rewards_are_measured_by_n(gateway: Running, http: httpx.Client) -> None:
    count = gateway.metric("trimtab_reward_chosen_count", n="4")
    ask(http)
    assert gateway.metric("trimtab_reward_chosen_count", n="4") == count + 1
    assert gateway.metric("trimtab_reward_chosen_sum", n="4") >= 14


def test_a_stream_of_the_best_is_the_same_answer(gateway: Running) -> None:
    gateway.engine.says("a", "the longer one " * 20)
    with gateway.sdk() as sdk:
        chunks = list(
            sdk.chat.completions.create(
                model="assistant",
                messages=HI,  # type: ignore[arg-type]
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"alignment": {"n": 2}},
            )
        )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "the longer one " * 20
    assert chunks[-1].usage
    assert len(chunks) > 4


def test_a_late_engine_is_an_honest_timeout(gateway: Running) -> None:
    gateway.engine.says(before_answer=30)
    with gateway.sdk() as sdk, pytest.raises(openai.APIStatusError) as late:
        sdk.chat.completions.create(
            model="assistant",
            messages=HI,  # type: ignore[arg-type]
            extra_body={"alignment": {"deadline_ms": 100}},
        )
    assert late.value.status_code == 504


def test_every_stage_of_the_journey_is_timed(http: httpx.Client) -> None:
    ask(http)
    told = http.get("/metrics").text
    for stage in ("screen_prompt", "engine", "screen_candidates", "reward", "record", "overhead"):
        assert f'trimtab_stage_seconds_count{{stage="{stage}"}}' in told
