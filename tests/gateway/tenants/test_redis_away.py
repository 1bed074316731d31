"""A gateway whose Redis is slow, then dead, then back: requests go on, and the metrics say so."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.metrics import Metrics
from gateway.tenants.rates import Cost
from gateway.tenants.shared import REST_SECONDS, SharedRates, shared_rates
from gateway.tenants.terms import KeyLimits, Terms
from tests.fakes.delaying import Delaying, delaying
from tests.fakes.gateway_alone import GatewayAlone, gateway_alone, key_in, policy_file
from tests.fakes.reader import asked
from tests.fakes.streaming_engine import streaming_engine
from tests.gateway.tenants.test_shared import SERVER, RedisServer, redis_server

pytest.importorskip("redis", reason="needs Redis' client")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(SERVER is None, reason="needs redis-server")]

LIMIT = 1000  # requests a minute, which no test reaches
CALL_SECONDS = 20.0  # of a slow Redis
BOUNDED_SECONDS = 5.0  # an order of magnitude, on busy machines; a question to Redis has 0.05


@dataclass
class World:
    """A gateway that counts in a Redis, which can be made slow, killed and started again."""

    gateway: GatewayAlone
    redis: RedisServer
    proxy: Delaying
    key: str

    async def ask(self) -> tuple[int, float]:
        """A request's status, and how long it took."""
        began = time.monotonic()
        reader = await (await asked(self.gateway.port, self.key, "hello")).head()
        await reader.rest()
        return reader.status, time.monotonic() - began

    async def ask_often(self) -> list[tuple[int, float]]:
        """Some at once, for some seconds."""
        found = []
        for _ in range(10):
            found += await asyncio.gather(*(self.ask() for _ in range(5)))
            await asyncio.sleep(0.2)
        return found

    async def metric(self, series: str) -> float:
        """A series as the gateway tells it."""
        return (await asyncio.to_thread(self.gateway.metrics))[series]

    async def counts_together(self) -> bool:
        """Whether the gateway says that it counts in Redis, after another request."""
        await self.ask()
        return await self.metric("trimtab_limits_shared") == 1


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[World]:
    with redis_server(home) as redis:
        async with delaying(redis.port) as proxy, streaming_engine() as engine:
            key = await key_in(home, "application", Terms(limits=KeyLimits(requests_per_minute=LIMIT)))
            told = {"LIMITS__REDIS_URL": f"redis://127.0.0.1:{proxy.port}"}
            policy = str(policy_file(home))
            async with gateway_alone(home, engine.url, "--policy", policy, **told) as gateway:
                yield World(gateway, redis, proxy, key)


async def in_time(world: World, *, together: bool) -> None:
    """Wait until it counts in Redis, or alone; raises TimeoutError when it never does."""
    async with asyncio.timeout(30):
        while await world.counts_together() is not together:
            await asyncio.sleep(0.1)


async def test_requests_go_on_while_redis_is_slow_or_dead_and_it_is_found_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await in_time(here, together=True)
        here.proxy.seconds = CALL_SECONDS
        slow = await here.ask_often()
        await in_time(here, together=False)
        here.redis.stop()
        dead = await here.ask_often()
        await in_time(here, together=False)
        failures = await here.metric('trimtab_limits_failures_total{what="redis"}')
        here.proxy.seconds = 0.0
        here.redis.start()
        await in_time(here, together=True)
        back = await here.ask_often()
    for answers in (slow, dead, back):
        assert {status for status, _ in answers} == {200}
        assert max(seconds for _, seconds in answers) < BOUNDED_SECONDS
    assert failures >= 2


@asynccontextmanager
async def slow_rates(folder: Path) -> AsyncIterator[tuple[Delaying, SharedRates]]:
    """Rates that have patience, and what makes their Redis try it."""
    with redis_server(folder) as redis:
        async with (
            delaying(redis.port) as proxy,
            shared_rates(f"redis://127.0.0.1:{proxy.port}", Metrics(), 0.3) as rates,
        ):
            yield proxy, rates


async def test_an_answer_that_came_too_late_is_taken_for_no_later_questions(tmp_path: Path) -> None:
    async with slow_rates(tmp_path) as (proxy, rates):
        for number in range(3):
            await rates.take("warm", [Cost("requests", 1, 9)])
            proxy.seconds = 0.6
            await rates.take("late", [Cost("requests", 5, 9)])
            proxy.seconds = 0.0
            await asyncio.sleep(REST_SECONDS + 0.2)
            taken = await rates.take(f"next {number}", [Cost("tokens", 7, 100)])
            assert [each.remaining for each in taken.standings] == [93]
