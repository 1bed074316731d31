"""Engines that give one choice a call: found out, or declared, and then asked as often as choices are wanted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from gateway.engines.contract import EngineFailed, EngineRefused, EngineUnavailable
from gateway.engines.fanout import merged, singles, summed
from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from gateway.engines.pool import Pool
from gateway.metrics import Metrics
from tests.fakes.engine import FakeEngine, drained, fake_engine

ASK = {"model": "base", "messages": [{"role": "user", "content": "hi"}], "n": 3}
STREAM = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
WITHOUT_N = ("logprobs", "adapters")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeEngine, str]]:
    with fake_engine() as (fake, server):
        yield fake, f"{server.url}/v1"


@pytest.fixture
def fake(served: tuple[FakeEngine, str]) -> FakeEngine:
    served[0].says()
    served[0].gives_n = False
    return served[0]


@pytest.fixture
async def pools(served: tuple[FakeEngine, str]) -> AsyncIterator[Any]:
    async with Origins() as session:
        yield lambda serves=None: Pool([HttpEngine(session, "one", served[1])], Metrics(), {"one": serves})


def asked_for(fake: FakeEngine) -> list[int | None]:
    return [asked.body.get("n") for asked in fake.requests]


async def indices(pool: Pool) -> dict[int, str]:
    """Every choice's text in a stream."""
    said: dict[int, str] = {}
    for chunk in await drained(pool.stream(STREAM)):
        for choice in chunk["choices"]:
            text = choice["delta"].get("content") or ""
            said[choice["index"]] = said.get(choice["index"], "") + text
    return said


async def test_choices_that_are_left_out_are_asked_for_and_the_lack_is_remembered(
    fake: FakeEngine, pools: Any
) -> None:
    pool = pools()
    for _ in range(2):
        answer = await pool.complete(ASK)
        assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
        assert answer["usage"] == {"prompt_tokens": 21, "completion_tokens": 15, "total_tokens": 36}
    assert asked_for(fake) == [3, None, None, None, None, None]
    assert pool.replica("one").can.as_json()["n"] is False


async def test_one_that_was_away_may_come_back_as_another(fake: FakeEngine, pools: Any) -> None:
    pool = pools()
    await pool.complete(ASK)
    pool.replica("one").checked(up=False)
    fake.gives_n = True
    await pool.check()
    await pool.complete(ASK)
    assert pool.replica("one").can.as_json() == {"n": True, "logprobs": None, "adapters": True}


async def test_a_stream_whose_choices_are_left_out_is_completed(fake: FakeEngine, pools: Any) -> None:
    pool = pools()
    for _ in range(2):
        assert await indices(pool) == dict.fromkeys(range(3), "Hello there.")
    assert asked_for(fake) == [3, None, None, None, None, None]


async def test_usage_of_a_stream_in_parts_is_told_once(fake: FakeEngine, pools: Any) -> None:
    chunks = await drained(pools(WITHOUT_N).stream(STREAM))
    told = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    assert told == [{"prompt_tokens": 21, "completion_tokens": 15, "total_tokens": 36}]
    assert chunks[-1]["choices"] == []


async def test_what_is_declared_need_not_be_found_out(fake: FakeEngine, pools: Any) -> None:
    answer = await pools(WITHOUT_N).complete(ASK)
    assert len(answer["choices"]) == 3
    assert asked_for(fake) == [None, None, None]


async def test_who_gives_all_is_asked_once(fake: FakeEngine, pools: Any) -> None:
    fake.gives_n, pool = True, pools()
    assert len(await indices(pool)) == len((await pool.complete(ASK))["choices"]) == 3
    assert asked_for(fake) == [3, 3]
    assert pool.replica("one").can.as_json()["n"] is True


async def test_one_call_that_fails_fails_all_and_stops_the_others(fake: FakeEngine, pools: Any) -> None:
    fake.says(raw=b"nonsense")
    with pytest.raises(EngineFailed):
        await pools(WITHOUT_N).complete(ASK)


async def test_a_stream_in_parts_that_breaks_off_is_a_failure(fake: FakeEngine, pools: Any) -> None:
    fake.says("some words to say", cut_after=4)
    with pytest.raises(EngineUnavailable):
        await indices(pools(WITHOUT_N))


@pytest.mark.parametrize("streamed", [False, True])
async def test_who_leaves_hangs_up_on_every_part(streamed: bool, fake: FakeEngine, pools: Any) -> None:
    fake.says("a longer text that goes on", before_answer=0 if streamed else 30, between_chunks=0.05)
    pool = pools(WITHOUT_N)
    if streamed:
        async with aclosing(pool.stream(STREAM)) as stream:
            await anext(stream)
    else:
        call = asyncio.create_task(pool.complete(ASK))
        await asyncio.sleep(0.2)
        call.cancel()
    async with asyncio.timeout(3):
        while [asked.state for asked in fake.requests] != ["left"] * 3:
            await asyncio.sleep(0.01)


async def test_logprobs_that_nobody_gives_are_refused_by_name(fake: FakeEngine, pools: Any) -> None:
    with pytest.raises(EngineRefused, match="logprobs") as refused:
        await pools(("n",)).complete({**ASK, "logprobs": True})
    assert (refused.value.status, refused.value.param) == (400, "logprobs")


def test_every_part_has_a_seed_of_its_own() -> None:
    assert [body["seed"] for body in singles({**ASK, "seed": 7})] == [7, 8, 9]
    assert all("seed" not in body and "n" not in body for body in singles(ASK))


def test_tokens_are_added_up_with_their_details() -> None:
    one = {"total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}, "cost": 0.25}
    assert summed([one, one]) == {
        "total_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 4},
        "cost": 0.5,
    }


def test_of_one_account_nothing_is_lost() -> None:
    one = {
        "total_tokens": 3,
        "prompt_tokens_details": None,
        "completion_tokens_details": {"audio_tokens": None},
    }
    assert summed([one]) == one
    assert summed([one, {**one, "prompt_tokens_details": {"cached_tokens": 2}}])["prompt_tokens_details"] == {
        "cached_tokens": 2
    }


def test_answers_without_usage_are_merged_without() -> None:
    assert merged([{"choices": [{"index": 0}]}, {"choices": [{"index": 0}]}]) == {
        "choices": [{"index": 0}, {"index": 1}]
    }
