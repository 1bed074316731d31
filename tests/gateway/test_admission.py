"""Admission: a bounded queue in which keys take turns, fewer candidates under load, and only then refusals."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.size import lowered
from gateway.tenants.terms import NO_TERMS
from tests.fakes.gateway import FakeKeys, Running, running_gateway, until


class Callers:
    """Applications that ask at the same time, of an engine that answers when it is let go."""

    def __init__(self, gateway: Running, pool: ThreadPoolExecutor, clients: dict[str, httpx.Client]) -> None:
        self.gateway = gateway
        self._pool = pool
        self._clients = clients

    def begin(self, *texts: str) -> None:
        """As if nothing had been asked yet; nothing is answered until `go`."""
        self.gateway.reset()
        self.gateway.engine.says(*texts)
        self.gateway.engine.held = True

    def go(self) -> None:
        """Let the engine answer."""
        self.gateway.engine.held = False

    def ask(self, text: str, key: str = "flood", **body: Any) -> "Future[httpx.Response]":
        """Ask, and go on once the request is inside."""
        before = self.inside
        asked = self.send(text, key, **body)
        assert until(lambda: self.inside != before or asked.done())
        return asked

    def send(self, text: str, key: str = "flood", **body: Any) -> "Future[httpx.Response]":
        """Ask, and go on at once."""
        return self._pool.submit(self._post, text, key, body)

    def _post(self, text: str, key: str, body: dict[str, Any]) -> httpx.Response:
        with self.gateway.http(key) as http:
            messages = [{"role": "user", "content": text}]
            return http.post(
                "/v1/chat/completions", json={"model": "assistant", "messages": messages, **body}
            )

    @property
    def inside(self) -> tuple[int, float]:
        """Requests that reached the engine, and those that wait."""
        return len(self.gateway.engine.requests), self.queued

    @property
    def queued(self) -> float:
        return self.gateway.metric("trimtab_queued_requests")

    @property
    def order(self) -> list[str]:
        """What the engine was asked, in order."""
        return [asked.body["messages"][0]["content"] for asked in self.gateway.engine.requests]


def callers_of(**limits: Any) -> Iterator[Callers]:
    with (
        running_gateway(limits=limits) as gateway,
        gateway.http("flood") as flood,
        gateway.http("other") as other,
        ThreadPoolExecutor(8) as pool,
    ):
        keys = gateway.tools.keys
        assert isinstance(keys, FakeKeys)
        keys.terms |= {"flood": NO_TERMS, "other": NO_TERMS}
        callers = Callers(gateway, pool, {"flood": flood, "other": other})
        callers.begin()
        yield callers
        callers.go()


@pytest.fixture(scope="module")
def narrow() -> Iterator[Callers]:
    yield from callers_of(concurrent_requests=1, queued_requests=2, queue_seconds=5)


@pytest.fixture(scope="module")
def wide() -> Iterator[Callers]:
    yield from callers_of(concurrent_requests=4, shed_above=0.5)


@pytest.fixture
def callers(narrow: Callers) -> Iterator[Callers]:
    narrow.begin()
    yield narrow
    narrow.go()


def statuses(*answers: "Future[httpx.Response]") -> list[int]:
    return [answer.result().status_code for answer in answers]


def test_who_finds_no_slot_waits_and_is_answered(callers: Callers) -> None:
    waited = callers.gateway.metric("trimtab_stage_seconds_count", stage="queue")
    answers = [callers.ask("one"), callers.ask("two")]
    callers.go()
    assert statuses(*answers) == [200, 200]
    assert callers.order == ["one", "two"]
    assert callers.gateway.metric("trimtab_stage_seconds_count", stage="queue") == waited + 1


def test_waiting_is_not_counted_as_our_own_time(callers: Callers) -> None:
    callers.ask("one")
    waiting = callers.ask("two")
    time.sleep(0.2)
    callers.go()
    assert float(waiting.result().headers["x-trimtab-overhead-ms"]) < 150


def test_one_keys_flood_does_not_starve_another(callers: Callers) -> None:
    asked = [callers.ask("flood 1"), callers.ask("flood 2"), callers.ask("flood 3")]
    other = callers.send("other", "other")
    assert until(asked[2].done)  # the queue was full, and made way with its newest
    callers.go()
    assert statuses(*asked, other) == [200, 200, 429, 200]
    assert callers.order == ["flood 1", "flood 2", "other"]


def test_a_full_queue_refuses_and_says_when_to_come_back(callers: Callers) -> None:
    inside = [callers.ask("1"), callers.ask("2"), callers.ask("3")]
    shed = callers.gateway.metric("trimtab_shed_total", what="full")
    with callers.gateway.sdk("flood") as sdk, pytest.raises(openai.RateLimitError) as refused:
        sdk.chat.completions.create(model="assistant", messages=[{"role": "user", "content": "4"}])
    callers.go()
    assert refused.value.code == "too_many_requests"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert callers.gateway.metric("trimtab_shed_total", what="full") == shed + 1
    assert statuses(*inside) == [200] * 3


def test_who_leaves_the_queue_is_dropped_from_it(callers: Callers) -> None:
    running = callers.ask("one")
    leaving = {"model": "assistant", "messages": [{"role": "user", "content": "left"}]}
    with callers.gateway.http("flood") as http, contextlib.suppress(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json=leaving, timeout=0.2)
    assert until(lambda: callers.queued == 0)
    callers.go()
    assert running.result().status_code == 200
    assert callers.ask("next").result().status_code == 200
    assert callers.order == ["one", "next"]


def test_streams_wait_like_others(callers: Callers) -> None:
    callers.ask("one")
    streamed = callers.ask("two", stream=True)
    callers.go()
    assert streamed.result().text.endswith("data: [DONE]\n\n")
    assert callers.order == ["one", "two"]


def test_who_has_waited_long_enough_is_told() -> None:
    for each in callers_of(concurrent_requests=1, queue_seconds=0.05):
        running, waiting = each.ask("one"), each.ask("two")
        assert waiting.result().json()["error"]["code"] == "too_many_requests"
        each.go()
        assert running.result().status_code == 200
        assert each.gateway.metric("trimtab_shed_total", what="waited") == 1


def test_a_gateway_that_stops_sends_those_who_wait_elsewhere() -> None:
    for each in callers_of(concurrent_requests=1):
        running, waiting = each.ask("one"), each.ask("two")
        each.gateway.server.call(each.gateway.tools.admission.stop)
        refused, late = waiting.result(), each.ask("three")
        each.go()
        assert statuses(waiting, late, running) == [503, 503, 200]
        assert refused.headers["retry-after"] == "1"


def test_load_lowers_n_first_and_says_so(wide: Callers) -> None:
    wide.begin("a", "bb")
    asked = [wide.ask(text) for text in ("1", "2", "3")]
    best = wide.ask("best", alignment={"strategy": "best_of_n", "n": 7})
    wide.go()
    assert best.result().headers["x-trimtab-degraded"] == "load: n lowered from 7 to 4"
    assert wide.gateway.engine.asked.body["n"] == 4
    assert wide.gateway.metric("trimtab_shed_total", what="n") == 1
    assert wide.gateway.metric("trimtab_degraded_total", reason="load: n lowered") == 1
    assert statuses(*asked) == [200] * 3


def test_without_load_n_is_what_was_asked_for(wide: Callers) -> None:
    wide.begin()
    asked = wide.ask("best", alignment={"strategy": "best_of_n", "n": 7})
    wide.go()
    assert "x-trimtab-degraded" not in asked.result().headers
    assert wide.gateway.engine.asked.body["n"] == 7


@given(st.integers(1, 16), st.integers(0, 15), st.floats(0, 1), st.floats(0, 1))
def test_more_load_never_means_more_candidates_and_never_fewer_than_are_returned(
    returned: int, more: int, one: float, other: float
) -> None:
    samples, (less, greater) = returned + more, sorted((one, other))
    assert returned <= lowered(samples, returned, greater) <= lowered(samples, returned, less) <= samples
    assert (lowered(samples, returned, 0.0), lowered(samples, returned, 1.0)) == (samples, returned)
