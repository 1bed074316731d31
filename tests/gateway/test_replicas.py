"""Several replicas behind a whole gateway: what of them clients notice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.gateway import Running, running_gateway
from tests.serving import serving


@contextmanager
def two_engines() -> Iterator[tuple[Running, list[FakeEngine]]]:
    """A gateway with two fake engines behind it."""
    with fake_engine() as (one, first), fake_engine() as (two, second):
        told = [{"name": name, "url": f"{at.url}/v1"} for name, at in (("a", first), ("b", second))]
        with running_gateway(engines=told) as running:
            yield running, [one, two]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Running, list[FakeEngine]]]:
    with two_engines() as both:
        yield both


@pytest.fixture
def gateway(pair: tuple[Running, list[FakeEngine]]) -> Running:
    pair[0].reset()
    for fake in pair[1]:
        fake.says()
    return pair[0]


@pytest.fixture
def fakes(pair: tuple[Running, list[FakeEngine]]) -> list[FakeEngine]:
    return pair[1]


def asks(*turns: str, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": turn} for place, turn in enumerate(turns)]
    return {"model": "assistant", "messages": messages, **more}


@pytest.mark.parametrize("streamed", [False, True])
def test_the_turns_of_a_conversation_land_together(
    streamed: bool, gateway: Running, fakes: list[FakeEngine]
) -> None:
    turns = ["Where is Rome?"]
    with gateway.http() as client:
        for number in range(6):
            assert client.post("/v1/chat/completions", json=asks(*turns, stream=streamed)).status_code == 200
            turns += ["In Italy.", f"And {number}?"]
    assert sorted(len(fake.requests) for fake in fakes) == [0, 6]


def test_a_stream_that_broke_off_ends_in_an_error_and_is_not_begun_again(
    gateway: Running, fakes: list[FakeEngine]
) -> None:
    for fake in fakes:
        fake.says("some words to say, and many more of them " * 10, cut_after=80)
    with gateway.http() as client:
        said = client.post("/v1/chat/completions", json=asks("hi", stream=True)).text
    assert '"code":"engine_unavailable"' in said.splitlines()[-2]
    assert "[DONE]" not in said
    assert sum(len(fake.requests) for fake in fakes) == 1


async def busy(scope: Any, receive: Any, send: Any) -> None:
    """An engine that is too busy, and says for how long."""
    status = {"/v1/chat/completions": 429, "/v1/completions": 503}[scope["path"]]
    await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"7")]})
    await send({"type": "http.response.body", "body": b'{"error": {"message": "busy"}}'})


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("chat/completions", asks("hi"), 429), ("completions", {"model": "assistant", "prompt": "hi"}, 503)],
)
def test_an_engines_advice_when_to_try_again_is_passed_on(path: str, body: Any, status: int) -> None:
    with (
        serving(busy) as engine,
        running_gateway(engines=[{"url": f"{engine.url}/v1"}]) as gateway,
        gateway.http() as client,
    ):
        answer = client.post(f"/v1/{path}", json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
