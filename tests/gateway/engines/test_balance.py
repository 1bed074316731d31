"""Load over replicas: conversations stay together, loads even out, a drained replica gets nothing new."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.engines.contract import EngineUnavailable
from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from gateway.engines.pool import Pool
from gateway.metrics import Metrics
from tests.fakes.engine import FakeEngine, fake_engine

ASK = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def served() -> Iterator[list[tuple[FakeEngine, str]]]:
    with fake_engine() as (one, first), fake_engine() as (two, second), fake_engine() as (three, third):
        yield [(one, f"{first.url}/v1"), (two, f"{second.url}/v1"), (three, f"{third.url}/v1")]


@pytest.fixture
def fakes(served: Any) -> list[FakeEngine]:
    for fake, _ in served:
        fake.says()
    return [fake for fake, _ in served]


@pytest.fixture
async def pool(fakes: list[FakeEngine], served: Any) -> AsyncIterator[Pool]:
    async with Origins() as session:
        engines = [HttpEngine(session, f"e{n}", url) for n, (_, url) in enumerate(served)]
        yield Pool(engines, Metrics())


def counts(fakes: list[FakeEngine]) -> list[int]:
    return [len(fake.requests) for fake in fakes]


async def test_the_turns_of_a_conversation_go_to_one_replica(fakes: list[FakeEngine], pool: Pool) -> None:
    for _ in range(9):
        await pool.complete(ASK, "chat", "one conversation")
    assert sorted(counts(fakes)) == [0, 0, 9]


async def test_conversations_spread_over_replicas(fakes: list[FakeEngine], pool: Pool) -> None:
    for number in range(30):
        await pool.complete(ASK, "chat", f"conversation {number}")
    assert min(counts(fakes)) > 2


async def test_a_conversation_leaves_a_home_that_is_too_busy(fakes: list[FakeEngine], pool: Pool) -> None:
    for fake in fakes:
        fake.says(before_answer=0.2)
    big = {**ASK, "max_tokens": 4000}
    await asyncio.gather(*(pool.complete(big, "chat", "one conversation") for _ in range(6)))
    assert max(counts(fakes)) < 5
    assert min(counts(fakes)) > 0


async def test_one_long_request_weighs_as_much_as_many_short_ones(
    fakes: list[FakeEngine], pool: Pool
) -> None:
    for fake in fakes:
        fake.says(before_answer=0.2)
    bodies = [{**ASK, "max_tokens": most} for most in (4000, *[100] * 10)]
    await asyncio.gather(*map(pool.complete, bodies))
    assert sorted(counts(fakes)) == [1, 5, 5]


async def test_what_has_ended_weighs_nothing(fakes: list[FakeEngine], pool: Pool) -> None:
    fakes[0].says(before_answer=30)
    calls = [asyncio.create_task(pool.complete(ASK)) for _ in range(3)]
    await asyncio.sleep(0.1)
    assert sum(replica.tokens for replica in pool.replicas) > 0
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert [(replica.requests, replica.tokens) for replica in pool.replicas] == [(0, 0)] * 3


async def test_a_drained_replica_ends_what_it_has_and_gets_nothing_new(
    fakes: list[FakeEngine], pool: Pool
) -> None:
    fakes[0].says(before_answer=0.2)
    calls = [asyncio.create_task(pool.complete(ASK)) for _ in range(3)]
    await asyncio.sleep(0.05)
    pool.drain("e0")
    assert not await pool.replica("e0").idle(0.0)
    for _ in range(6):
        await pool.complete(ASK)
    assert await pool.replica("e0").idle(5.0)
    assert all(answer["choices"] for answer in await asyncio.gather(*calls))
    assert counts(fakes) == [1, 4, 4]


async def test_a_drained_replica_holds_no_swap_up_and_gets_what_it_missed(
    fakes: list[FakeEngine], pool: Pool, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    pool.drain("e0")
    fakes[0].refuse_adapters = "being mended"
    await pool.load_adapter("v2", tmp_path)
    assert "v2" in await pool.models()
    assert len(await pool.probe({**ASK, "model": "v2"})) == 2
    fakes[0].refuse_adapters = None
    await pool.check()
    assert "v2" in fakes[0].adapters
    await pool.unload_adapter("v2")
    assert not any(fake.adapters for fake in fakes)


async def test_a_replica_that_resumes_is_asked_again(fakes: list[FakeEngine], pool: Pool) -> None:
    pool.drain("e0")
    pool.resume("e0")
    for _ in range(3):
        await pool.complete(ASK)
    assert counts(fakes) == [1, 1, 1]


async def test_when_all_are_drained_nobody_is_asked(fakes: list[FakeEngine], pool: Pool) -> None:
    for replica in pool.replicas:
        pool.drain(replica.name)
    with pytest.raises(EngineUnavailable, match="drained"):
        await pool.complete(ASK)
    assert not await pool.healthy()
