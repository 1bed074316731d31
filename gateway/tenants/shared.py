"""Rates that all gateways count together, in Redis; while it is slow or away, each counts alone and says so.

Redis does what must be done at once (forget, compare, add) by its own clock; what its windows mean is worked out
here, by the same code that reads windows in memory.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from gateway.metrics import Metrics
from gateway.settings import SettingsInvalid
from gateway.tenants.rates import WINDOW_SECONDS, Cost, LocalRates, Taken, What, Window, standing

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 0.05  # for one question to Redis
REST_SECONDS = 1.0  # between a failure and the next question
T = TypeVar("T")

# KEYS: a hash from second to amount for each limit. ARGV: the window, then cost and limit of each.
TAKE = """
local time = redis.call('TIME')
local second, fits, windows = tonumber(time[1]), 1, {}
for i, key in ipairs(KEYS) do
  local window, total = redis.call('HGETALL', key), 0
  for j = 1, #window, 2 do
    if tonumber(window[j]) < second - tonumber(ARGV[1]) then
      redis.call('HDEL', key, window[j])
    else
      total = total + tonumber(window[j + 1])
    end
  end
  if total + tonumber(ARGV[2 * i]) > tonumber(ARGV[2 * i + 1]) then fits = 0 end
end
for i, key in ipairs(KEYS) do
  if fits == 1 then
    redis.call('HINCRBY', key, second, ARGV[2 * i])
    redis.call('EXPIRE', key, 2 * ARGV[1])
  end
  windows[i] = redis.call('HGETALL', key)
end
return {second, tonumber(time[2]), fits, windows}
"""

# KEYS: one such hash. ARGV: the window, the change, and the second in which the amount was taken.
SETTLE = """
local second = ARGV[3]
if tonumber(ARGV[2]) > 0 then second = redis.call('TIME')[1] end
if tonumber(ARGV[2]) > 0 or redis.call('HEXISTS', KEYS[1], second) == 1 then
  redis.call('HINCRBY', KEYS[1], second, ARGV[2])
  redis.call('EXPIRE', KEYS[1], 2 * ARGV[1])
end
return 0
"""


class SharedRates:
    """Counts in Redis, and in this process' memory while that cannot be had."""

    def __init__(
        self, redis: Any, metrics: Metrics, alone: LocalRates, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._take = redis.register_script(TAKE)
        self._settle = redis.register_script(SETTLE)
        self._metrics = metrics
        self._alone = alone
        self._patience_seconds = patience_seconds
        self._resting_until = 0.0
        self._shared = True
        metrics.limits_shared.set(1)

    async def take(self, key: str, costs: Sequence[Cost]) -> Taken:
        """Count a request against all its limits, or against none where one has no room."""
        arguments: list[int] = [WINDOW_SECONDS]
        for cost in costs:
            arguments += (cost.amount, cost.limit)
        names = [name_of(key, cost.what) for cost in costs]
        told = await self._ask(lambda: self._take(keys=names, args=arguments))
        return await self._alone.take(key, costs) if told is None else self._taken(told, costs)

    async def settle(self, key: str, what: What, change: int, second: int) -> None:
        """Correct what a request took in a second; while Redis is away it forgets the request in a minute anyway."""
        arguments = [WINDOW_SECONDS, change, second]
        await self._ask(lambda: self._settle(keys=[name_of(key, what)], args=arguments))

    def _taken(self, told: Any, costs: Sequence[Cost]) -> Taken:
        second, microseconds, fits, windows = told
        now = second + microseconds / 1e6
        standings = tuple(
            standing(window_of(flat), cost, now, fits=bool(fits))
            for flat, cost in zip(windows, costs, strict=True)
        )
        return Taken(standings, second, self)

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """Redis' answer; None while it rests from a failure, during which nobody waits for it."""
        from redis.exceptions import RedisError  # noqa: PLC0415 - an optional dependency

        if time.monotonic() < self._resting_until:
            return None
        try:
            async with asyncio.timeout(self._patience_seconds):
                answer = await question()
        except (RedisError, OSError, TimeoutError) as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            self._metrics.limits_failures.labels("redis").inc()
            self._tell(shared=False, why=type(error).__name__)
            return None
        self._tell(shared=True)
        return answer

    def _tell(self, *, shared: bool, why: str = "") -> None:
        """Say it in a metric, and once in the log."""
        if shared == self._shared:
            return
        self._shared = shared
        self._metrics.limits_shared.set(shared)
        if not shared:
            log.warning("Redis cannot be had (%s); each gateway counts by itself", why)


@asynccontextmanager
async def shared_rates(
    url: str, metrics: Metrics, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[SharedRates]:
    """Rates in the Redis at a URL, which need not be up; raises SettingsInvalid where its client is not installed."""
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - an optional dependency
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
    except ImportError:
        raise SettingsInvalid("limits.redis_url needs Redis' client: pip install 'trimtab[redis]'") from None
    redis = Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0))
    try:
        yield SharedRates(redis, metrics, LocalRates(), patience_seconds)
    finally:
        await redis.aclose()


def name_of(key: str, what: What) -> str:
    """What a window is called in Redis; the braces keep a key's windows on one node of a cluster."""
    return f"trimtab:{{{key}}}:{what}"


def window_of(flat: Sequence[str]) -> Window:
    """A window from a hash as Redis' scripts give it: names and values by turns."""
    return Window((int(second), int(amount)) for second, amount in zip(flat[::2], flat[1::2], strict=True))
