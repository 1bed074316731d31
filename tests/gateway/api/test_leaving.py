"""Clients that leave: whatever was done for them stops, wherever it was."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.api.leaving import ClientLeft, ClientStays
from tests.fakes.gateway import Running, running_gateway, until
from tests.fakes.guards import FLAGGED, HANGS, word_screen

LONG = "The quick brown fox jumps over the lazy dog. " * 20


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(reward={"url": "http://127.0.0.1:9", "timeout_seconds": 30}) as running:
        yield running


def leave(gateway: Running, content: str = "hi", **body: Any) -> None:
    """Ask, and go away after a moment."""
    asked = {"model": "assistant", "messages": [{"role": "user", "content": content}], **body}
    with gateway.http() as client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=asked, timeout=0.3)


def nobody_is_waited_for(gateway: Running) -> bool:
    return until(lambda: gateway.metric("trimtab_concurrent_requests") == 0, 1)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("n", [1, 4])
def test_leaving_before_the_first_word(n: int, stream: bool, gateway: Running) -> None:
    gateway.engine.says(before_answer=30)
    leave(gateway, stream=stream, alignment={"n": n})
    assert until(lambda: gateway.engine.asked.state == "left", 1)
    assert nobody_is_waited_for(gateway)


def test_leaving_in_the_middle_of_a_stream(gateway: Running) -> None:
    gateway.engine.says(LONG, between_chunks=0.02)
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with gateway.http() as client, client.stream("POST", "/v1/chat/completions", json=asked) as answer:
        next(answer.iter_bytes())
    assert until(lambda: gateway.engine.asked.state == "left", 1)
    assert nobody_is_waited_for(gateway)


def test_leaving_while_rewards_are_awaited(gateway: Running) -> None:
    gateway.engine.says("a", "b")
    gateway.rewards.fails = "slow"
    leave(gateway, alignment={"n": 2})
    assert until(lambda: gateway.rewards.cancelled == 1, 1)


def test_leaving_while_guards_think(gateway: Running) -> None:
    gateway.reset(word_screen(patience_ms=5000))
    gateway.engine.says(f"{HANGS} {LONG}", between_chunks=0.01)
    leave(gateway, stream=True, content=f"{FLAGGED} question")
    assert nobody_is_waited_for(gateway)


def test_a_flagged_exchange_is_recorded_though_its_client_left(gateway: Running) -> None:
    gateway.engine.says(before_answer=30)
    leave(gateway, content=f"a {FLAGGED} question")
    assert until(lambda: bool(gateway.recorder.exchanges))
    assert gateway.recorded.error == "client left"
    assert gateway.recorded.chosen is None


def test_what_was_flagged_mid_stream_is_recorded_though_its_client_left(gateway: Running) -> None:
    gateway.engine.says(f"{FLAGGED} {LONG}", between_chunks=0.02)
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with gateway.http() as client, client.stream("POST", "/v1/chat/completions", json=asked) as answer:
        next(answer.iter_bytes())
    assert until(lambda: bool(gateway.recorder.exchanges))
    assert gateway.recorded.hazards == ("dfm",)


def test_an_unflagged_exchange_that_was_left_is_forgotten_and_counted(gateway: Running) -> None:
    before = gateway.metric("trimtab_client_left_total")
    gateway.engine.says(before_answer=30)
    leave(gateway)
    assert until(lambda: gateway.metric("trimtab_client_left_total") == before + 1)
    assert not gateway.recorder.exchanges


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(gateway: Running) -> None:
    def half() -> Iterator[bytes]:
        yield b'{"model": '
        raise InterruptedError

    with gateway.http() as client, pytest.raises(InterruptedError):
        client.post("/v1/chat/completions", content=half())
    assert nobody_is_waited_for(gateway)


async def test_a_client_that_left_is_known_to_have_though_what_was_done_for_it_went_on() -> None:
    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(5)

    with pytest.raises(ClientLeft):
        async with ClientStays(gone):
            await stubborn()
    work = asyncio.current_task()
    assert work is not None
    assert work.cancelling() == 0


async def test_a_client_of_which_nothing_can_be_heard_has_left() -> None:
    async def broken() -> dict[str, str]:
        raise OSError

    with pytest.raises(ClientLeft):
        async with ClientStays(broken):
            await asyncio.sleep(5)
