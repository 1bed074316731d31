"""Rates counted together in a real Redis, and by each gateway alone when it cannot be had."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.metrics import Metrics
from gateway.tenants.rates import Cost, LocalRates
from gateway.tenants.shared import REST_SECONDS, SharedRates, shared_rates
from tests.fakes.gateway import until

pytest.importorskip("redis", reason="needs Redis' client")
SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="needs redis-server")
PATIENCE = 2.0  # of tests, on busy machines


@dataclass
class RedisServer:
    """A Redis of our own, in memory."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [str(SERVER), "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]
        self.process = subprocess.Popen([*command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        assert until(self._listens, 10)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        server = RedisServer(probe.getsockname()[1], folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@asynccontextmanager
async def gateways(redis: RedisServer, count: int = 3) -> AsyncIterator[list[SharedRates]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(shared_rates(redis.url, Metrics(), PATIENCE))
            for _ in range(count)
        ]


async def admitted(rates: SharedRates, key: str, cost: Cost) -> bool:
    return (await rates.take(key, [cost])).refused is None


@pytest.mark.parametrize("cost", [Cost("requests", 1, 20), Cost("tokens", 7, 140)])
async def test_a_burst_on_three_gateways_gets_the_limit_and_no_more(redis: RedisServer, cost: Cost) -> None:
    async with gateways(redis) as three:
        asked = [admitted(each, f"burst-{cost.what}", cost) for each in three for _ in range(20)]
        assert sum(await asyncio.gather(*asked)) == 20


async def test_redis_and_memory_mean_the_same(redis: RedisServer) -> None:
    costs = [Cost("requests", 1, 3), Cost("tokens", 40, 100)]
    alone = LocalRates()
    async with gateways(redis, 1) as [shared]:
        for _ in range(4):
            one, other = await shared.take("same", costs), await alone.take("same", costs)
            for ours, theirs in zip(one.standings, other.standings, strict=True):
                assert (ours.remaining, bool(ours.wait_seconds)) == (
                    theirs.remaining,
                    bool(theirs.wait_seconds),
                )
                assert abs(ours.reset_seconds - theirs.reset_seconds) <= 2


@pytest.mark.parametrize(("change", "remaining"), [(-30, 89), (30, 29)])
async def test_settling_is_heard_by_all(redis: RedisServer, change: int, remaining: int) -> None:
    key = f"settled{change}"
    async with gateways(redis, 2) as [one, other]:
        taken = await one.take(key, [Cost("tokens", 40, 100)])
        await taken.counter.settle(key, "tokens", change, taken.second)
        [standing] = (await other.take(key, [Cost("tokens", 1, 100)])).standings
    assert standing.remaining == remaining


async def test_nothing_stays_in_redis_for_ever(redis: RedisServer) -> None:
    from redis.asyncio import Redis

    async with gateways(redis, 1) as [rates]:
        await rates.take("forgotten", [Cost("requests", 1, 9)])
    client = Redis.from_url(redis.url)
    assert 0 < await client.ttl("trimtab:{forgotten}:requests") <= 120
    await client.aclose()


def shared(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("trimtab_limits_shared")


async def test_a_redis_that_dies_is_done_without_and_found_again(tmp_path: Path) -> None:
    metrics, cost = Metrics(), Cost("requests", 1, 2)
    with redis_server(tmp_path) as redis:
        async with shared_rates(redis.url, metrics, PATIENCE) as rates:
            assert [await admitted(rates, "k", cost) for _ in range(3)] == [True, True, False]
            redis.stop()
            assert [await admitted(rates, "k", cost) for _ in range(3)] == [True, True, False]
            assert shared(metrics) == 0
            redis.start()
            await asyncio.sleep(REST_SECONDS)
            assert [await admitted(rates, "k", cost) for _ in range(3)] == [True, True, False]
            assert shared(metrics) == 1
    assert (metrics.registry.get_sample_value("trimtab_limits_failures_total", {"what": "redis"}) or 0) >= 1


async def test_a_slow_redis_is_waited_for_once_and_not_by_every_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        metrics = Metrics()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        async with shared_rates(url, metrics, 0.2) as rates:
            began = time.monotonic()
            assert [await admitted(rates, "k", Cost("requests", 1, 9)) for _ in range(5)] == [True] * 5
            assert 0.2 <= time.monotonic() - began < 0.6
    assert shared(metrics) == 0
