"""A replica that fails, between others that do not: no request is lost that had not begun to be answered."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable
from gateway.engines.http import HttpEngine, Patience
from gateway.engines.origin import Origins
from gateway.engines.pool import Pool
from gateway.metrics import Metrics
from tests.fakes.engine import FakeEngine, drained, fake_engine
from tests.fakes.engine_alone import engine_alone

NOWHERE = "http://127.0.0.1:9/v1"
ASK = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**ASK, "stream": True}


@pytest.fixture(scope="module")
def served() -> Iterator[list[tuple[FakeEngine, str]]]:
    with fake_engine() as (one, first), fake_engine() as (two, second):
        yield [(one, f"{first.url}/v1"), (two, f"{second.url}/v1")]


@pytest.fixture
def fakes(served: list[tuple[FakeEngine, str]]) -> list[FakeEngine]:
    for fake, _ in served:
        fake.says()
    return [fake for fake, _ in served]


@pytest.fixture
async def session() -> AsyncIterator[Origins]:
    async with Origins() as opened:
        yield opened


@pytest.fixture
def pool(fakes: list[FakeEngine], served: Any, session: Origins) -> Pool:
    return pool_of(session, *(url for _, url in served))


def pool_of(session: Origins, *urls: str, first_byte_seconds: float = 0.2) -> Pool:
    patience = Patience(connect_seconds=1, answer_seconds=5, stall_seconds=5)
    engines = [HttpEngine(session, f"e{n}", url, patience=patience) for n, url in enumerate(urls)]
    return Pool(engines, Metrics(), first_byte_seconds=first_byte_seconds)


def value(pool: Pool, name: str, engine: str) -> float | None:
    return pool._metrics.registry.get_sample_value(f"trimtab_{name}", {"engine": engine})


async def asked(pool: Pool, *, streamed: bool) -> Any:
    return await drained(pool.stream(STREAM)) if streamed else await pool.complete(ASK)


async def test_a_replica_killed_before_its_first_byte_loses_no_request(
    fakes: list[FakeEngine], served: Any, session: Origins
) -> None:
    with engine_alone(before_answer=30) as doomed:
        pool = pool_of(session, doomed.url, served[0][1], first_byte_seconds=30)
        calls = [asyncio.create_task(asked(pool, streamed=bool(n % 2))) for n in range(60)]
        async with asyncio.timeout(10):
            while pool.replica("e0").requests + len(fakes[0].requests) < len(calls):
                await asyncio.sleep(0.01)
        caught = pool.replica("e0").requests
        doomed.kill()
        assert all(await asyncio.gather(*calls))
    assert caught > 10
    assert value(pool, "engine_retries_total", "e0") == caught
    assert len(fakes[0].requests) == len(calls)


async def test_a_plain_answer_that_breaks_off_is_asked_again(
    fakes: list[FakeEngine], pool: Pool, session: Origins, served: Any
) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(half, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        pool = pool_of(session, f"http://127.0.0.1:{port}/v1", served[0][1])
        for _ in range(2):  # whoever is first in turn
            assert (await pool.complete(ASK))["choices"]


async def test_a_replica_that_dies_in_the_middle_of_a_stream_is_not_asked_again(
    fakes: list[FakeEngine], pool: Pool
) -> None:
    for fake in fakes:
        fake.says("some words to say", cut_after=3)
    with pytest.raises(EngineUnavailable):
        await drained(pool.stream(STREAM))
    assert sum(len(fake.requests) for fake in fakes) == 1


async def test_a_stream_that_does_not_begin_in_time_is_asked_elsewhere(
    fakes: list[FakeEngine], pool: Pool
) -> None:
    fakes[0].says(before_answer=30)
    for _ in range(2):
        assert await drained(pool.stream(STREAM))
    assert value(pool, "engine_retries_total", "e0") == 1


async def test_when_no_stream_begins_in_time_that_is_told(fakes: list[FakeEngine], pool: Pool) -> None:
    for fake in fakes:
        fake.says(before_answer=30)
    with pytest.raises(EngineTimedOut):
        await drained(pool.stream(STREAM))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("streamed", [False, True])
async def test_one_that_is_too_busy_is_passed_over(
    status: int, streamed: bool, fakes: list[FakeEngine], pool: Pool
) -> None:
    fakes[0].says(refuse=(status, {"error": {"message": "busy"}}))
    for _ in range(2):
        assert await asked(pool, streamed=streamed)
    assert value(pool, "engine_retries_total", "e0") == 1


async def test_when_two_are_too_busy_the_third_is_left_in_peace(
    fakes: list[FakeEngine], served: Any, session: Origins
) -> None:
    for fake in fakes:
        fake.says(refuse=(429, {"error": {"message": "busy"}}))
    pool = pool_of(session, served[0][1], served[1][1], served[0][1])
    with pytest.raises(EngineRefused, match="busy"):
        await pool.complete(ASK)
    assert sum(len(fake.requests) for fake in fakes) == 2


async def test_what_is_wrong_with_a_request_is_not_asked_twice(fakes: list[FakeEngine], pool: Pool) -> None:
    for fake in fakes:
        fake.says(refuse=(500, {"error": {"message": "boom"}}))
    with pytest.raises(EngineRefused):
        await pool.complete(ASK)
    assert sum(len(fake.requests) for fake in fakes) == 1


async def test_the_requests_deadline_holds_for_all_replicas_together(
    fakes: list[FakeEngine], pool: Pool
) -> None:
    for fake in fakes:
        fake.says(before_answer=30)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await pool.complete(ASK)
    assert [replica.requests for replica in pool.replicas] == [0, 0]
    assert value(pool, "engine_breaker", "e0") == value(pool, "engine_breaker", "e1") == 0


async def fail_often(pool: Pool) -> None:
    for _ in range(5):
        with suppress(EngineFailed):
            await pool.complete(ASK)


async def test_a_breaker_opens_after_failures_to_serve_and_closes_when_served(
    fakes: list[FakeEngine], served: Any, session: Origins
) -> None:
    pool = pool_of(session, served[0][1])
    replica = pool.replica("e0")
    fakes[0].says(refuse=(503, {}))
    await fail_often(pool)
    assert value(pool, "engine_breaker", "e0") == 2
    fakes[0].says()
    assert await pool.complete(ASK)  # its health is well and there is nobody else
    assert (value(pool, "engine_breaker", "e0"), replica.breaker.failed) == (0, 0)


async def test_an_open_breaker_spares_a_replica_while_another_serves(
    fakes: list[FakeEngine], pool: Pool
) -> None:
    fakes[0].says(refuse=(503, {}))
    for _ in range(20):
        assert await pool.complete(ASK)
    assert len(fakes[0].requests) == 5


async def test_requests_errors_open_no_breaker(fakes: list[FakeEngine], pool: Pool) -> None:
    for fake in fakes:
        fake.says(refuse=(500, {}))
    await fail_often(pool)
    await fail_often(pool)
    assert value(pool, "engine_breaker", "e0") == value(pool, "engine_breaker", "e1") == 0


async def test_one_that_breaker_and_health_check_give_up_is_not_waited_for(
    session: Origins,
) -> None:
    pool = pool_of(session, NOWHERE)
    await fail_often(pool)
    await pool.check()
    with pytest.raises(EngineUnavailable, match="no engine takes requests"):
        await pool.complete(ASK)


async def test_one_that_is_healthy_again_need_not_wait_for_the_pause(
    fakes: list[FakeEngine], served: Any, session: Origins
) -> None:
    pool = pool_of(session, served[0][1])
    replica = pool.replica("e0")
    for _ in range(5):
        replica.breaker.fail(asyncio.get_running_loop().time())
    replica.checked(up=False)
    await pool.check()
    assert value(pool, "engine_breaker", "e0") == 1
    assert await pool.complete(ASK)
    assert value(pool, "engine_breaker", "e0") == 0
