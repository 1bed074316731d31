"""The typed client against the real server, and against servers that break their word."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rewardserve.client import (
    RewardClient,
    RewardFailed,
    RewardRefused,
    RewardTimedOut,
    RewardUnavailable,
    body_of,
)
from rewardserve.contract import ScoreRequest
from rewardserve.reward import Reward
from tests.fakes.scorer import FakeScorer
from tests.rewardserve.test_app import served, until
from tests.serving import Serving

TURNS = [{"role": "user", "content": "hello there"}]


@pytest.fixture
def scorer() -> FakeScorer:
    return FakeScorer()


@pytest.fixture
def server(scorer: FakeScorer) -> Iterator[Serving]:
    with served(scorer, queue_items=2) as server:
        yield server


@pytest.fixture
async def client(server: Serving) -> AsyncIterator[RewardClient]:
    async with RewardClient(server.url, timeout_seconds=5) as client:
        yield client


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives everyone the same answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()

    def answer() -> None:
        try:
            while True:
                caller, _ = listener.accept()
                with caller:
                    caller.recv(65536)
                    caller.sendall(head + body)
        except OSError:
            return

    threading.Thread(target=answer, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def nobody() -> str:
    """The URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_it_gives_a_reward_for_each_candidate(client: RewardClient) -> None:
    assert await client.score(TURNS, ["abc", "a"]) == [3.0, 1.0]


async def test_it_scores_several_conversations_at_once(client: RewardClient) -> None:
    assert await client.score_many([(TURNS, ["abc"]), (tuple(TURNS), ("a",))]) == [[3.0], [1.0]]


async def test_beginnings_of_answers_are_scored_as_such(client: RewardClient) -> None:
    assert await client.score(TURNS, ["abc", "a"], partial=True) == [4.0, 2.0]


async def test_it_gives_whole_rewards(client: RewardClient, scorer: FakeScorer) -> None:
    scorer.rule = lambda text: Reward(len(text), {"safety": 2.0}, 0.5)
    [reward] = await client.rewards(TURNS, ["abc"])
    assert (reward, reward.heads, reward.spread) == (3.0, {"safety": 2.0}, 0.5)


async def test_a_reward_without_parts_has_none(client: RewardClient) -> None:
    [reward] = await client.rewards(TURNS, ["abc"])
    assert (reward, reward.heads, reward.spread) == (3.0, {}, 0.0)


def test_all_that_is_said_of_a_question_is_sent() -> None:
    said = body_of([(TURNS, ["a"])], {"tenant": "t", "route": "r", "priority": -1, "partial": True}, 0.25)
    assert ScoreRequest.model_validate(said) == ScoreRequest.model_validate(
        {
            "conversations": [{"messages": TURNS, "candidates": ["a"], "partial": True}],
            "tenant": "t",
            "route": "r",
            "priority": -1,
            "deadline_ms": 250,
        }
    )


async def test_it_knows_whether_the_server_is_well(client: RewardClient) -> None:
    assert await client.healthy()


async def test_an_absent_server_is_not_healthy() -> None:
    async with RewardClient(nobody()) as client:
        assert not await client.healthy()


async def test_an_absent_server_is_unavailable() -> None:
    async with RewardClient(nobody()) as client:
        with pytest.raises(RewardUnavailable, match="cannot be reached"):
            await client.score(TURNS, ["a"])


async def test_what_the_server_refuses_names_the_field(client: RewardClient) -> None:
    with pytest.raises(RewardRefused, match="tokens") as refused:
        await client.score(TURNS, ["a", "long " * 200])
    assert (refused.value.status, refused.value.param) == (400, "conversations[0].candidates[1]")


async def test_a_full_server_is_unavailable_and_says_for_how_long(
    server: Serving, client: RewardClient, scorer: FakeScorer
) -> None:
    scorer.hold()
    running = asyncio.create_task(client.score(TURNS, ["a"]))
    await until(scorer.busy.is_set)
    waiting = asyncio.create_task(client.score(TURNS, ["b", "c"]))
    batcher: Any = server.app.state.front.served.batcher  # type: ignore[attr-defined]
    await until(lambda: batcher.depth == 2)
    with pytest.raises(RewardUnavailable) as full:
        await client.score(TURNS, ["d"])
    assert full.value.retry_after_seconds == 1
    scorer.free.set()
    assert [await running, await waiting] == [[1.0], [1.0, 1.0]]


async def test_a_deadline_is_kept(client: RewardClient, scorer: FakeScorer) -> None:
    scorer.hold()
    with pytest.raises(RewardTimedOut, match=r"within 0\.05 s"):
        await client.score(TURNS, ["a"], deadline_seconds=0.05)


async def test_a_broken_model_is_a_failure(client: RewardClient, scorer: FakeScorer) -> None:
    scorer.rule = lambda _: 1 / 0
    with pytest.raises(RewardFailed, match="500: the reward model raised ZeroDivisionError") as failure:
        await client.score(TURNS, ["a"])
    assert type(failure.value) is RewardFailed


async def test_who_cancels_hangs_up(server: Serving, client: RewardClient, scorer: FakeScorer) -> None:
    scorer.hold()
    running = asyncio.create_task(client.score(TURNS, ["first"]))
    await until(scorer.busy.is_set)
    leaver = asyncio.create_task(client.score(TURNS, ["never mind"]))
    batcher: Any = server.app.state.front.served.batcher  # type: ignore[attr-defined]
    await until(lambda: batcher.depth == 1)
    leaver.cancel()
    gone = server.app.state.metrics.requests.labels("left")._value  # type: ignore[attr-defined]
    await until(lambda: gone.get() == 1)
    scorer.free.set()
    assert await running == [5.0]
    assert scorer.batches == [["first"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"rewards": null}',
        b'{"rewards": [[1.0]]}',
        b'{"rewards": [[1.0, 2.0], [3.0]]}',
        b'{"rewards": [[1.0, null]]}',
        b'{"rewards": [["x", 1.0]]}',
        b'{"rewards": [[1e999, 1.0]]}',
        b'{"rewards": [["nan", 1.0]]}',
        b'{"rewards": [[1.0, 2.0]], "heads": [[{}]]}',
        b'{"rewards": [[1.0, 2.0]], "spread": [1]}',
    ],
)
async def test_an_answer_without_proper_rewards_is_a_failure(body: bytes) -> None:
    with answering(200, body) as url:
        async with RewardClient(url) as client:
            with pytest.raises(RewardFailed):
                await client.score(TURNS, ["a", "b"])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, RewardUnavailable),
        (503, RewardUnavailable),
        (404, RewardRefused),
        (413, RewardRefused),
        (502, RewardFailed),
        (504, RewardTimedOut),
    ],
)
async def test_every_status_has_its_error(status: int, kind: type[RewardFailed]) -> None:
    with answering(status, b"<html>a proxy's page</html>") as url:
        async with RewardClient(url) as client:
            with pytest.raises(kind) as failure:
                await client.score(TURNS, ["a"])
            assert type(failure.value) is kind


async def test_it_tells_which_model_scores(client: RewardClient) -> None:
    assert await client.model() == "fake"


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b"{}"), (200, b"<html>")])
async def test_a_server_that_names_no_model_is_a_failure(status: int, body: bytes) -> None:
    with answering(status, body) as url:
        async with RewardClient(url) as client:
            with pytest.raises(RewardFailed):
                await client.model()


async def test_what_is_no_json_is_refused_before_it_is_sent() -> None:
    async with RewardClient(nobody()) as client:
        with pytest.raises(RewardRefused, match="no JSON"):
            await client.score([{"role": "user", "content": object()}], ["a"])


async def test_a_closed_client_is_unavailable(server: Serving) -> None:
    client = RewardClient(server.url)
    await client.close()
    with pytest.raises(RewardUnavailable, match="closed"):
        await client.score(TURNS, ["a"])
