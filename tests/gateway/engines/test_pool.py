"""Several engines as one: turns, failover, and adapters on all or none."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.engines.contract import EngineRefused, EngineUnavailable
from gateway.engines.health import watched
from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from gateway.engines.pool import Pool
from gateway.metrics import Metrics
from tests.fakes.engine import FakeEngine, drained, fake_engine

ASK = {"model": "base", "messages": []}


@pytest.fixture(scope="module")
def fakes() -> Iterator[list[tuple[FakeEngine, str]]]:
    with fake_engine() as (one, first), fake_engine() as (two, second):
        yield [(one, f"{first.url}/v1"), (two, f"{second.url}/v1")]


@pytest.fixture
async def pool(fakes: list[tuple[FakeEngine, str]]) -> AsyncIterator[Pool]:
    for fake, _ in fakes:
        fake.says()
        fake.adapters.clear()
        fake.healthy = True
    async with Origins() as session:
        yield Pool([HttpEngine(session, f"e{n}", url) for n, (_, url) in enumerate(fakes)], Metrics())


@pytest.fixture
async def half_dead(fakes: list[tuple[FakeEngine, str]]) -> AsyncIterator[Pool]:
    async with Origins() as session:
        gone = HttpEngine(session, "gone", "http://127.0.0.1:9/v1")
        yield Pool([gone, HttpEngine(session, "there", fakes[0][1])], Metrics())


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    (tmp_path / "adapter_config.json").write_text("{}")
    return tmp_path


async def test_requests_take_turns(fakes: list[tuple[FakeEngine, str]], pool: Pool) -> None:
    for _ in range(4):
        await pool.complete(ASK)
    assert [len(fake.requests) for fake, _ in fakes] == [2, 2]


async def test_a_dead_replica_is_passed_over_and_remembered(half_dead: Pool) -> None:
    for _ in range(3):
        assert (await half_dead.complete(ASK))["choices"]
        assert await drained(half_dead.stream({**ASK, "stream": True}))
    assert half_dead.status() == {"gone": False, "there": True}
    assert await half_dead.healthy()


async def test_texts_are_embedded_by_whichever_replica_is_there(half_dead: Pool) -> None:
    for _ in range(2):
        assert (await half_dead.embed({"model": "base", "input": ["one"]}))["data"]
    assert half_dead.status() == {"gone": False, "there": True}


async def test_one_that_can_count_is_found_among_those_that_cannot(
    fakes: list[tuple[FakeEngine, str]], pool: Pool
) -> None:
    fakes[0][0].says(refuse=(404, {}))
    asked = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}
    assert [await pool.count(asked) for _ in range(4)] == [3] * 4


async def test_where_none_can_count_the_last_refusal_says_so(
    fakes: list[tuple[FakeEngine, str]], pool: Pool
) -> None:
    for fake, _ in fakes:
        fake.says(refuse=(404, {}))
    with pytest.raises(EngineRefused) as refused:
        await pool.count(ASK)
    assert refused.value.no_such_route


async def test_a_stream_that_has_begun_is_not_begun_again(
    fakes: list[tuple[FakeEngine, str]], pool: Pool
) -> None:
    for fake, _ in fakes:
        fake.says("some words to say", cut_after=3)
    with pytest.raises(EngineUnavailable):
        await drained(pool.stream({**ASK, "stream": True}))
    assert sum(len(fake.requests) for fake, _ in fakes) == 1


async def test_an_adapter_goes_to_all(fakes: list[tuple[FakeEngine, str]], pool: Pool, adapter: Path) -> None:
    await pool.load_adapter("v2", adapter)
    assert [list(fake.adapters) for fake, _ in fakes] == [["v2"], ["v2"]]
    await pool.unload_adapter("v2")
    assert [list(fake.adapters) for fake, _ in fakes] == [[], []]


async def test_an_adapter_that_one_refuses_stays_nowhere(
    fakes: list[tuple[FakeEngine, str]], half_dead: Pool, pool: Pool, adapter: Path
) -> None:
    with pytest.raises(EngineUnavailable):
        await half_dead.load_adapter("v2", adapter)
    assert "v2" not in fakes[0][0].adapters
    with pytest.raises(EngineRefused):
        await pool.load_adapter("v3", adapter / "nowhere")


async def test_loading_what_is_loaded_already_is_no_error(pool: Pool, adapter: Path) -> None:
    await pool.load_adapter("v2", adapter)
    await pool.load_adapter("v2", adapter)
    assert await pool.models() == ("base", "v2")


async def test_a_replica_that_comes_back_gets_its_adapters_again(
    fakes: list[tuple[FakeEngine, str]], pool: Pool, adapter: Path
) -> None:
    await pool.load_adapter("v2", adapter)
    fakes[0][0].adapters.clear()
    await pool.check()
    assert "v2" in fakes[0][0].adapters


async def test_a_request_for_a_lost_adapter_brings_it_back(
    fakes: list[tuple[FakeEngine, str]], pool: Pool, adapter: Path
) -> None:
    await pool.load_adapter("v2", adapter)
    for fake, _ in fakes:
        fake.adapters.clear()
    assert (await pool.complete({"model": "v2", "messages": []}))["model"] == "v2"
    assert await drained(pool.stream({"model": "v2", "messages": [], "stream": True}))
    assert [list(fake.adapters) for fake, _ in fakes] == [["v2"], ["v2"]]


async def test_an_unknown_model_is_refused_as_it_is(pool: Pool) -> None:
    with pytest.raises(EngineRefused):
        await pool.complete({"model": "nobody", "messages": []})


async def test_a_sick_replica_is_found_and_its_recovery_too(
    fakes: list[tuple[FakeEngine, str]], pool: Pool
) -> None:
    fakes[1][0].healthy = False
    async with watched(pool, every_seconds=0.01):
        await until(lambda: not pool.status()["e1"])
        fakes[1][0].healthy = True
        await until(lambda: pool.status()["e1"])


async def until(true: "object") -> None:
    async with asyncio.timeout(3):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.005)
