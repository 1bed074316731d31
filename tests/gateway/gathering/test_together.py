"""A deadline that is asked for: what is whole in time is what is chosen from."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import Running, running_gateway, until

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}) as running:
        yield running


def ask(http: httpx.Client, deadline_ms: int, **body: Any) -> httpx.Response:
    alignment = {"strategy": "best_of_n", "n": 3, "explain": True, "deadline_ms": deadline_ms}
    return http.post(
        "/v1/chat/completions", json={"model": "assistant", "messages": HI, "alignment": alignment, **body}
    )


def told_missing(answer: httpx.Response) -> str:
    return answer.headers["x-trimtab-degraded"]


def finishing_apart(*texts: str) -> tuple[bytes, ...]:
    """A stream in which every choice but the last ends at once."""
    import json

    def frame(index: int, text: str, reason: str | None) -> bytes:
        choice = {"index": index, "delta": {"content": text}, "finish_reason": reason}
        body = {"id": "x", "object": "chat.completion.chunk", "model": "base", "choices": [choice]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    *early, late = enumerate(texts)
    frames = [frame(index, text, "stop") for index, text in early]
    return (*frames, *[frame(late[0], late[1], None)] * 200)


def test_what_is_whole_in_time_is_chosen_from(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=finishing_apart("short", "the longer one", "never ends "), between_chunks=0.05)
    answer = ask(http, 1000)
    assert answer.json()["choices"][0]["message"]["content"] == "the longer one"
    assert "deadline: fewer candidates; 2 of 3 candidates were whole in time" in told_missing(answer)
    assert gateway.metric("trimtab_degraded_total", reason="deadline: fewer candidates") > 0


def test_who_is_late_is_hung_up_on(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=finishing_apart("short", "the longer one", "never ends "), between_chunks=0.05)
    ask(http, 600)
    assert until(lambda: gateway.engine.asked.state == "left")


def test_where_nothing_is_whole_in_time_it_is_a_timeout(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("a" * 400, between_chunks=0.05)
    answer = ask(http, 300)
    assert answer.status_code == 504
    assert answer.json()["error"]["param"] == "alignment.deadline_ms"
    assert answer.headers["x-should-retry"] == "false"  # official clients would ask for the same again


def test_in_good_time_nothing_is_missing(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("short", "the longer one", "mid")
    answer = ask(http, 20_000)
    assert answer.json()["choices"][0]["message"]["content"] == "the longer one"
    assert "x-trimtab-degraded" not in answer.headers
    assert len(answer.json()["alignment"]["candidates"]) == 3


def test_tool_calls_come_whole(gateway: Running, http: httpx.Client) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "me"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    gateway.engine.says(messages=(message,))
    told = ask(http, 20_000).json()["choices"][0]["message"]["tool_calls"][0]
    assert told["function"] == {"name": "look", "arguments": '{"at": "me"}'}
