"""The reward server, on a real uvicorn."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from itertools import count
from threading import Event
from typing import Any

import aiohttp
import pytest

from rewardserve.app import create_app
from rewardserve.front import Load
from rewardserve.loading import load_workers
from rewardserve.reward import Reward
from rewardserve.scorer import Scorer
from rewardserve.settings import RewardSettings
from tests.fakes.scorer import FakeScorer
from tests.serving import Serving, serving_opened

TURNS = [{"role": "user", "content": "hello there"}]
ASK = {"conversations": [{"messages": TURNS, "candidates": ["abc", "a"]}]}


@contextmanager
def served(scorer: Scorer[Any], load: Load = load_workers, **settings: Any) -> Iterator[Serving]:
    """The app on a free port; a fake model is let go before the server is stopped."""
    app = create_app(scorer, RewardSettings(**settings), load=load)
    free = scorer.free if isinstance(scorer, FakeScorer) else Event()
    del scorer  # a reload must be able to free it

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with app.router.lifespan_context(app):
            yield app

    with serving_opened(opening) as server:
        server.app = app  # type: ignore[attr-defined]
        try:
            yield server
        finally:
            free.set()


@pytest.fixture
def scorer() -> FakeScorer:
    return FakeScorer()


@pytest.fixture
def server(scorer: FakeScorer) -> Iterator[Serving]:
    with served(scorer, queue_items=8, max_body_bytes=4096) as server:
        yield server


@pytest.fixture(scope="module")
def steady() -> Iterator[Serving]:
    """One server for all tests that neither hold, break nor count."""
    with served(FakeScorer(), queue_items=8, max_body_bytes=4096) as server:
        yield server


@pytest.fixture
async def http(steady: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(steady.url) as session:
        yield session


@pytest.fixture
async def own(server: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def post(http: aiohttp.ClientSession, body: Any, **kwargs: Any) -> tuple[int, Any]:
    async with http.post("/v1/score", json=body, **kwargs) as response:
        return response.status, await response.json()


async def refused(http: aiohttp.ClientSession, body: Any) -> tuple[int, Any, str]:
    """Status, the field named, and the message."""
    status, answer = await post(http, body)
    return status, answer["error"]["param"], answer["error"]["message"]


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(0.002)


async def metric(http: aiohttp.ClientSession, line: str) -> float:
    async with http.get("/metrics") as response:
        found = [
            text.rsplit(" ", 1)[1] for text in (await response.text()).splitlines() if text.startswith(line)
        ]
    return float(found[0]) if found else 0.0


def with_turn(turn: dict[str, Any]) -> dict[str, Any]:
    return {"conversations": [{"messages": [*TURNS, turn], "candidates": ["a"]}]}


async def test_it_scores_every_candidate_of_every_conversation(http: aiohttp.ClientSession) -> None:
    two = {"conversations": [*ASK["conversations"], {"messages": TURNS, "candidates": ["abcd"]}]}
    status, answer = await post(http, two)
    assert status == 200
    assert answer == {"rewards": [[3.0, 1.0], [4.0]], "model": "fake", "tokens": 9}


async def test_a_partial_candidate_is_read_as_one(http: aiohttp.ClientSession) -> None:
    begun = {"messages": TURNS, "candidates": ["abc"], "partial": True}
    assert (await post(http, {"conversations": [begun, *ASK["conversations"]]}))[1]["rewards"] == [
        [4.0],
        [3.0, 1.0],
    ]


async def test_equal_candidates_tie_even_where_the_model_wavers(
    own: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    wavering = count(1)
    scorer.rule = lambda _: next(wavering)
    body = {"conversations": [{"messages": TURNS, "candidates": ["a", "b", "a"]}]}
    assert (await post(own, body))[1]["rewards"] == [[1.0, 2.0, 1.0]]


async def test_parts_and_doubt_are_told_where_there_are_any(
    own: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    scorer.rule = lambda text: Reward(len(text), {"safety": 2.0}, 0.5)
    _, answer = await post(own, ASK)
    assert (answer["rewards"], answer["spread"]) == ([[3.0, 1.0]], [[0.5, 0.5]])
    assert answer["heads"] == [[{"safety": 2.0}] * 2]


async def test_text_parts_are_read_and_extra_fields_ignored(http: aiohttp.ClientSession) -> None:
    turn = {"role": "user", "name": "Ann", "content": [{"type": "text", "text": "four words of it"}]}
    status, answer = await post(http, with_turn(turn))
    assert (status, answer["tokens"]) == (200, 7)


async def test_an_assistant_turn_without_content_is_read_as_empty(http: aiohttp.ClientSession) -> None:
    assert (await post(http, with_turn({"role": "assistant", "content": None, "tool_calls": []})))[0] == 200


async def test_its_own_name_may_be_asked_for(http: aiohttp.ClientSession) -> None:
    assert (await post(http, ASK | {"model": "fake"}))[0] == 200


async def test_another_model_is_not_found(http: aiohttp.ClientSession) -> None:
    assert (await refused(http, ASK | {"model": "gold"}))[:2] == (404, "model")


WRONG: list[tuple[str, Any, str | None]] = [
    ("no conversations", {"conversations": []}, "conversations"),
    (
        "no candidates",
        {"conversations": [{"messages": TURNS, "candidates": []}]},
        "conversations[0].candidates",
    ),
    ("no messages", {"conversations": [{"messages": [], "candidates": ["a"]}]}, "conversations[0].messages"),
    (
        "a number",
        {"conversations": [{"messages": TURNS, "candidates": ["a", 1]}]},
        "conversations[0].candidates[1]",
    ),
    ("no role", with_turn({"content": "hm"}), "conversations[0].messages[1].role"),
    ("an odd content", with_turn({"role": "user", "content": 5}), "conversations[0].messages[1].content"),
    (
        "an image",
        with_turn({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
        "conversations[0].messages[1].content[0]",
    ),
    ("a refusing template", with_turn({"role": "martian", "content": "hm"}), "conversations[0].messages"),
    ("an unknown field", ASK | {"temperature": 1}, "temperature"),
    ("a list", [], None),
]


@pytest.mark.parametrize(("body", "param"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
async def test_bad_input_names_the_field(http: aiohttp.ClientSession, body: Any, param: str | None) -> None:
    status, named, _ = await refused(http, body)
    assert (status, named) == (400, param)


async def test_malformed_json_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/score", data=b'{"conversations": [') as response:
        assert response.status == 400
        assert "JSON" in (await response.json())["error"]["message"]


async def test_a_candidate_that_is_too_long_is_named_and_not_cut(http: aiohttp.ClientSession) -> None:
    body = {"conversations": [*ASK["conversations"], {"messages": TURNS, "candidates": ["a", "b " * 200]}]}
    status, answer = await post(http, body)
    assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
    assert answer["error"]["param"] == "conversations[1].candidates[1]"


async def test_a_body_that_declares_too_much_is_refused(http: aiohttp.ClientSession) -> None:
    status, answer = await post(http, ASK | {"model": "x" * 5000})
    assert (status, answer["error"]["code"]) == (413, "request_too_large")


async def test_a_body_that_declares_nothing_is_counted(http: aiohttp.ClientSession) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * 1000

    async with http.post("/v1/score", data=pieces()) as response:
        assert response.status == 413


async def test_more_candidates_than_the_queue_holds_are_refused(http: aiohttp.ClientSession) -> None:
    body = {"conversations": [{"messages": TURNS, "candidates": ["a"] * 9}]}
    assert (await refused(http, body))[0] == 413


async def test_a_full_queue_answers_429_and_when_to_come_back(
    own: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    scorer.hold()
    running = asyncio.create_task(post(own, ASK))
    await until(scorer.busy.is_set)
    waiting = [asyncio.create_task(post(own, ASK)) for _ in range(4)]
    async with asyncio.timeout(5):
        while await metric(own, "trimtab_reward_queue_items") < 8:
            await asyncio.sleep(0.005)
    async with own.post("/v1/score", json=ASK) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "1")
    scorer.free.set()
    assert {status for status, _ in await asyncio.gather(running, *waiting)} == {200}


async def test_who_cannot_be_served_in_time_is_dropped_unserved(
    own: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    scorer.hold()
    running = asyncio.create_task(post(own, ASK))
    await until(scorer.busy.is_set)
    status, answer = await post(own, ASK | {"deadline_ms": 20})
    assert (status, answer["error"]["code"]) == (504, "deadline")
    scorer.free.set()
    assert (await running)[0] == 200
    assert len(scorer.batches) == 1
    assert await metric(own, "trimtab_reward_late_candidates_total") == 2
    assert await metric(own, 'trimtab_reward_requests_total{outcome="late"}') == 1


async def test_the_urgent_go_first(own: aiohttp.ClientSession, scorer: FakeScorer) -> None:
    scorer.hold()
    running = asyncio.create_task(post(own, ASK))
    await until(scorer.busy.is_set)
    waiting = []
    for priority in (5, -5):
        body = {"conversations": [{"messages": TURNS, "candidates": ["x" * (10 + priority)]}]}
        waiting.append(asyncio.create_task(post(own, body | {"priority": priority})))
        async with asyncio.timeout(5):
            while await metric(own, "trimtab_reward_queue_items") < len(waiting):
                await asyncio.sleep(0.005)
    scorer.free.set()
    await asyncio.gather(running, *waiting)
    assert scorer.batches[1] == ["x" * 5, "x" * 15]


async def test_a_broken_model_is_500_and_serving_goes_on(
    own: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    scorer.rule = lambda _: 1 / 0
    status, _, message = await refused(own, ASK)
    assert (status, message) == (500, "the reward model raised ZeroDivisionError")
    scorer.rule = len
    assert (await post(own, ASK))[0] == 200


async def test_a_reward_that_is_not_finite_never_leaves(
    own: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    scorer.rule = lambda _: float("nan")
    assert (await refused(own, ASK))[0] == 500


async def test_who_hangs_up_is_not_scored(
    server: Serving, own: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    scorer.hold()
    running = asyncio.create_task(post(own, ASK))
    await until(scorer.busy.is_set)
    body = json.dumps({"conversations": [{"messages": TURNS, "candidates": ["never mind"]}]}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as leaver:
        head = f"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        leaver.sendall(head.encode() + body)
        async with asyncio.timeout(5):
            while await metric(own, "trimtab_reward_queue_items") < 1:
                await asyncio.sleep(0.005)
    async with asyncio.timeout(5):
        while await metric(own, 'trimtab_reward_requests_total{outcome="left"}') < 1:
            await asyncio.sleep(0.005)
    scorer.free.set()
    assert (await running)[0] == 200
    assert scorer.batches == [["abc", "a"]]


async def test_health_is_green(http: aiohttp.ClientSession) -> None:
    async with http.get("/health") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok", "reason": None})


async def test_health_turns_red_when_the_batcher_dies(server: Serving, own: aiohttp.ClientSession) -> None:
    server.call(server.app.state.front.served.batcher._tasks[0].cancel)  # type: ignore[attr-defined]
    async with own.get("/health") as response:
        assert response.status == 503
        assert (await response.json())["reason"] == "the batcher was cancelled"
    assert (await post(own, ASK))[0] == 503
    assert await metric(own, "trimtab_reward_healthy") == 0


async def test_the_model_says_what_it_is(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/model") as response:
        answer = await response.json()
    assert (answer["name"], answer["max_tokens"]) == ("fake", 100)


async def test_metrics_count_what_was_done(own: aiohttp.ClientSession) -> None:
    await post(own, ASK)
    await post(own, {})
    assert await metric(own, 'trimtab_reward_requests_total{outcome="ok"}') == 1
    assert await metric(own, 'trimtab_reward_requests_total{outcome="refused"}') == 1
    assert await metric(own, "trimtab_reward_batch_items_sum") == 2
    assert await metric(own, "trimtab_reward_batch_padded_tokens_sum") == 6
    assert await metric(own, 'trimtab_reward_tokens_total{kind="read"}') == 6
    assert await metric(own, "trimtab_reward_queue_wait_seconds_count") == 2
    assert await metric(own, "trimtab_reward_forward_seconds_count") == 1
    assert await metric(own, "trimtab_reward_rewards_count") == 2


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/scores", 404), ("GET", "/v1/score", 405)]
)
async def test_an_unknown_route_has_the_same_error_shape(
    http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with http.request(method, path) as response:
        assert response.status == status
        assert path in (await response.json())["error"]["message"]


async def test_the_schema_describes_the_body(http: aiohttp.ClientSession) -> None:
    async with http.get("/openapi.json") as response:
        operation = (await response.json())["paths"]["/v1/score"]["post"]
    assert "conversations" in operation["requestBody"]["content"]["application/json"]["schema"]["properties"]


def test_closing_while_the_model_runs_ends_in_order(scorer: FakeScorer) -> None:
    serving: AbstractContextManager[Serving] = served(scorer)
    with serving as server:
        scorer.hold()
        ask = json.dumps(ASK).encode()
        head = (
            f"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: {len(ask)}\r\nconnection: close\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            caller.sendall(head.encode() + ask)
            assert scorer.busy.wait(5)
            scorer.free.set()
            server.stop()
            assert b"200 OK" in caller.recv(4096)
