"""Limits of keys at a real gateway, as the official client meets them."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from gateway.tenants.quotas import span
from gateway.tenants.terms import KeyLimits, Terms
from tests.fakes.gateway import FakeKeys, Running, running_gateway, until
from tests.fakes.guards import REFUSED

HI: Any = [{"role": "user", "content": "hi"}]
Limited = Callable[..., str]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"assumed_completion_tokens": 50}) as running:
        yield running


@pytest.fixture
def limited(gateway: Running, request: pytest.FixtureRequest) -> Limited:
    """Makes a key with limits."""
    keys = gateway.tools.keys
    assert isinstance(keys, FakeKeys)

    def make(**limits: Any) -> str:
        name = request.node.name
        keys.terms[name] = Terms(limits=KeyLimits(**limits))
        return name

    return make


def ask(gateway: Running, key: str, **how: Any) -> httpx.Headers:
    with gateway.sdk(key) as sdk:
        raw = sdk.chat.completions.with_raw_response.create(model="assistant", messages=HI, **how)
    return raw.headers


def refused(gateway: Running, key: str, **how: Any) -> openai.RateLimitError:
    with gateway.sdk(key) as sdk, pytest.raises(openai.RateLimitError) as error:
        sdk.chat.completions.create(model="assistant", messages=HI, **how)
    assert int(error.value.response.headers["retry-after"]) >= 1
    return error.value


def told(headers: httpx.Headers, what: str) -> tuple[str, str]:
    return headers[f"x-ratelimit-limit-{what}"], headers[f"x-ratelimit-remaining-{what}"]


def test_requests_per_minute_are_told_and_kept(gateway: Running, limited: Limited) -> None:
    key = limited(requests_per_minute=2)
    assert [told(ask(gateway, key), "requests") for _ in range(2)] == [("2", "1"), ("2", "0")]
    error = refused(gateway, key)
    assert error.code == "rate_limit_exceeded"
    assert told(error.response.headers, "requests") == ("2", "0")
    assert 55 <= int(error.response.headers["retry-after"]) <= 61
    assert gateway.metric("trimtab_limited_total", limit="requests") >= 1
    assert len(gateway.engine.requests) == 2


def test_a_stream_tells_its_limits_too(gateway: Running, limited: Limited) -> None:
    key = limited(requests_per_minute=5)
    with gateway.http(key) as http:
        body = {"model": "assistant", "messages": HI, "stream": True}
        answer = http.post("/v1/chat/completions", json=body)
    assert told(answer.headers, "requests") == ("5", "4")
    assert answer.headers["x-ratelimit-reset-requests"] in {"1m0s", "1m1s"}


def test_a_key_without_limits_is_told_none(gateway: Running) -> None:
    assert not [name for name in ask(gateway, "application") if name.startswith("x-ratelimit")]


def test_tokens_are_set_aside_and_settled_with_what_was_used(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=1000)
    first = ask(gateway, key, max_tokens=100, n=2)
    assert told(first, "tokens") == ("1000", "799")  # for a prompt of one token, and two candidates
    used = gateway.recorded.usage.total
    assert told(ask(gateway, key, max_tokens=100), "tokens")[1] == str(1000 - used - 101)


def test_without_max_tokens_the_documented_number_is_set_aside(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=1000)
    assert told(ask(gateway, key), "tokens") == ("1000", "949")


def test_a_limit_below_that_number_still_lets_a_request_pass(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=40)
    assert told(ask(gateway, key), "tokens") == ("40", "0")


def test_what_can_never_pass_is_told_by_its_field(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=40)
    with gateway.sdk(key) as sdk, pytest.raises(openai.BadRequestError) as error:
        sdk.chat.completions.create(model="assistant", messages=HI, max_tokens=41)
    assert (error.value.param, error.value.code) == ("max_tokens", "request_too_large")


def test_what_took_more_than_was_set_aside_is_paid_by_the_next(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=12)
    ask(gateway, key, max_tokens=1)  # the engine takes more
    assert refused(gateway, key, max_tokens=8).code == "rate_limit_exceeded"


def test_what_never_reached_the_engine_costs_no_tokens(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=100)
    gateway.engine.says(refuse=(500, {}))
    with gateway.sdk(key) as sdk, pytest.raises(openai.InternalServerError):
        sdk.chat.completions.create(model="assistant", messages=HI, max_tokens=90)
    gateway.engine.says()
    ask(gateway, key, max_tokens=90)


def test_a_client_that_left_an_answer_has_paid_for_it(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=100)
    leave(gateway, key, max_tokens=90)
    refused(gateway, key, max_tokens=90)


def test_a_client_that_left_a_stream_pays_for_what_was_said(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=100)
    gateway.engine.says("word " * 40, between_chunks=0.02)
    with gateway.sdk(key) as sdk:
        stream = sdk.chat.completions.create(model="assistant", messages=HI, max_tokens=90, stream=True)
        next(iter(stream))
        stream.close()
    assert until(lambda: gateway.engine.asked.state == "left")
    gateway.engine.says()
    remaining = until_settled(gateway, key)
    assert 30 < remaining < 98


def test_a_stream_that_was_blocked_is_paid_for_with_its_prompt(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=200)
    gateway.engine.says(f"the {REFUSED} sings {'word ' * 40}", between_chunks=0.01)
    asked = [{"role": "user", "content": "a question of some length " * 10}]
    with gateway.sdk(key) as sdk:
        stream = sdk.chat.completions.create(model="assistant", messages=asked, max_tokens=90, stream=True)  # type: ignore[call-overload]
        assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "content_filter"
    assert until(lambda: gateway.engine.asked.state == "left")  # and so it has told of no tokens
    gateway.engine.says()
    assert 80 < until_settled(gateway, key) < 200 - len(asked[0]["content"]) // 4


def until_settled(gateway: Running, key: str) -> int:
    assert until(lambda: not gateway.tools.quotas.running.get(f"key-{key}"))
    return int(told(ask(gateway, key, max_tokens=1), "tokens")[1])


def leave(gateway: Running, key: str, **how: Any) -> None:
    """Ask, and go before the answer comes."""
    gateway.engine.held = True
    body = {"model": "assistant", "messages": HI, **how}
    with gateway.http(key) as http, contextlib.suppress(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json=body, timeout=0.3)
    gateway.engine.held = False
    assert until(lambda: not gateway.tools.quotas.running)


def test_so_many_requests_at_once_and_slots_come_back(gateway: Running, limited: Limited) -> None:
    key = limited(concurrent_requests=1)
    gateway.engine.says("word " * 40, between_chunks=0.01)
    with gateway.sdk(key) as sdk:
        stream = sdk.chat.completions.create(model="assistant", messages=HI, stream=True)
        next(iter(stream))
        assert refused(gateway, key).code == "rate_limit_exceeded"
        stream.close()
    gateway.engine.says()
    assert until(lambda: not gateway.tools.quotas.running)
    ask(gateway, key)


def test_a_spent_budget_is_an_insufficient_quota_until_the_period_ends(
    gateway: Running, limited: Limited
) -> None:
    key = limited(budget_tokens=70, budget_per="day")
    ask(gateway, key, max_tokens=60)
    error = refused(gateway, key, max_tokens=60)
    assert error.code == "insufficient_quota"
    spent = gateway.recorded.usage.total
    assert f"budget of 70 tokens per day has {70 - spent} left, and this may take 61; " in error.message
    assert error.message.split("whole again at ")[1].startswith(
        f"{gateway.tools.quotas.budgets.renewed_at('day'):%Y-%m-%dT00:00Z}"
    )
    left = gateway.tools.quotas.budgets.seconds_left("day")
    assert abs(int(error.response.headers["retry-after"]) - left) < 30


def test_a_refused_request_gives_back_what_it_had_taken_of_other_limits(
    gateway: Running, limited: Limited
) -> None:
    key = limited(requests_per_minute=1, concurrent_requests=1, budget_tokens=10_000)
    ask(gateway, key)
    assert refused(gateway, key).code == "rate_limit_exceeded"
    assert not gateway.tools.quotas.budgets._held
    assert not gateway.tools.quotas.running


def test_workers_that_count_by_themselves_share_a_limit() -> None:
    with running_gateway(workers=4) as gateway:
        keys = gateway.tools.keys
        assert isinstance(keys, FakeKeys)
        keys.terms |= {"many": Terms(limits=KeyLimits(requests_per_minute=10))}
        keys.terms |= {"few": Terms(limits=KeyLimits(requests_per_minute=1))}
        assert told(ask(gateway, "many"), "requests") == ("2", "1")
        assert told(ask(gateway, "few"), "requests") == ("1", "0")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0ms"), (0.0171, "18ms"), (1, "1s"), (59.2, "1m0s"), (61, "1m1s"), (3600, "60m0s")],
)
def test_times_are_written_as_openai_writes_them(seconds: float, said: str) -> None:
    assert span(seconds) == said


def moderate(gateway: Running, key: str) -> httpx.Headers:
    with gateway.sdk(key) as sdk:
        return sdk.moderations.with_raw_response.create(input="hello").headers


def test_a_moderation_is_one_of_a_keys_requests(gateway: Running, limited: Limited) -> None:
    key = limited(requests_per_minute=1)
    assert told(moderate(gateway, key), "requests") == ("1", "0")
    with pytest.raises(openai.RateLimitError) as error:
        moderate(gateway, key)
    assert told(error.value.response.headers, "requests") == ("1", "0")
    assert int(error.value.response.headers["retry-after"]) >= 1


def test_a_moderation_takes_no_tokens(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=1, budget_tokens=1)
    assert "x-ratelimit-limit-tokens" not in moderate(gateway, key)


def test_a_deadline_of_the_clients_own_is_paid_for_as_leaving_is(gateway: Running, limited: Limited) -> None:
    key = limited(tokens_per_minute=100)
    gateway.engine.held = True
    with gateway.http(key) as http:
        body = {"model": "assistant", "messages": HI, "max_tokens": 90, "alignment": {"deadline_ms": 200}}
        assert http.post("/v1/chat/completions", json=body).status_code == 504
    gateway.engine.held = False
    refused(gateway, key, max_tokens=90)


def test_an_answer_whose_engine_counts_nothing_is_paid_for_by_its_length(
    gateway: Running, limited: Limited
) -> None:
    key = limited(tokens_per_minute=1000)
    said = {"role": "assistant", "content": "word " * 400}
    answer = {"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    gateway.engine.says(raw=json.dumps(answer).encode())
    ask(gateway, key, max_tokens=900)
    gateway.engine.says()
    assert 1000 - until_settled(gateway, key) > 400


def count_tokens(gateway: Running, key: str) -> httpx.Response:
    with gateway.http(key) as http:
        return http.post("/v1/messages/count_tokens", json={"model": "assistant", "messages": HI})


def test_a_count_of_tokens_is_one_of_a_keys_requests(gateway: Running, limited: Limited) -> None:
    key = limited(requests_per_minute=1)
    first, second = count_tokens(gateway, key), count_tokens(gateway, key)
    assert (first.status_code, *told(first.headers, "requests")) == (200, "1", "0")
    assert (second.status_code, second.json()["error"]["type"]) == (429, "rate_limit_error")
