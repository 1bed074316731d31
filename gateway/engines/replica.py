"""One engine of a pool, and how it fares: what it owes, what it can do, and whether it should be asked."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from enum import IntEnum
from types import TracebackType
from typing import Any, Self

from gateway.engines.breaker import Breaker
from gateway.engines.capabilities import Capabilities
from gateway.engines.contract import Body, EngineFailed, EngineTimedOut, EngineUnavailable, Kind, Named
from gateway.engines.fanout import complete_several, stream_several
from gateway.engines.reloading import held
from gateway.engines.retries import served
from gateway.metrics import Metrics

POLL_SECONDS = 0.02
Chunks = AsyncGenerator[list[dict[str, Any]], None]


class Standing(IntEnum):
    """Who is asked before whom; the last are not asked at all."""

    READY = 0
    DOWN = 1  # when last heard of; the next call may find it back
    RESTING = 2  # its breaker is open: spared, and yet better than nobody
    OUT = 3  # draining; or its health check says what its breaker says, and to ask would only take time


class Replica:
    """One engine; everything about it is forgotten with the process, and found out again."""

    def __init__(
        self,
        engine: Named,
        metrics: Metrics,
        can: Capabilities,
        first_byte_seconds: float | None,
        *,
        managed: bool = False,
    ) -> None:
        self.name = engine.name
        self.engine = engine
        self.can = can
        self.breaker = Breaker()
        self.up = True  # when last heard of, by a health check or a call
        self._sick = False  # as its latest health check says
        self.draining = False
        self.managed = managed  # whether its weights may be replaced while it is there
        self.swapping = False  # they are being replaced, by this gateway or by another
        self.turning = asyncio.Lock()  # held by whoever puts it to sleep, or wakes it and has it answer
        self.held: str | None = None  # the weights of a managed one, as it says; None while nobody knows
        self._swaps = 0  # begun; what it said of its weights before one is of no use
        self.requests = 0  # being answered now
        self.tokens = 0  # that these are estimated to take
        self._first_byte_seconds = first_byte_seconds
        self._looked = False
        self._up = metrics.engine_up.labels(self.name)
        self._breaker = metrics.engine_breaker.labels(self.name)
        self._outstanding = metrics.engine_outstanding_tokens.labels(self.name)
        self.tell()

    def standing(self, now: float) -> Standing:
        """Whether it should be asked now."""
        if self.draining or self.swapping:
            return Standing.OUT
        if self.breaker.allows(now):
            return Standing.READY if self.up else Standing.DOWN
        return Standing.OUT if self._sick else Standing.RESTING

    @property
    def plain(self) -> bool:
        """Whether there is nothing to think about before asking it: no drain, no trouble, nothing that it lacks."""
        return not (self.draining or self.managed or self.breaker.failed or self.can.lacking)

    async def complete(self, body: Body, kind: Kind, tokens: int) -> dict[str, Any]:
        """One completion, with as many choices as were asked for."""
        with Call(self, tokens):
            if self._in_one(body):
                return await self.engine.complete(body, kind)
            return await complete_several(self.engine, body, kind, self.can)

    async def embed(self, body: Body) -> dict[str, Any]:
        """The vectors of some texts."""
        with Call(self, 0):
            return await self.engine.embed(body)

    async def count(self, body: Body) -> int:
        """How many tokens a conversation is."""
        with Call(self, 0):
            return await self.engine.count(body)

    @asynccontextmanager
    async def streamed(
        self, body: Body, kind: Kind, tokens: int
    ) -> AsyncIterator[tuple[list[dict[str, Any]], Chunks]]:
        """A stream that has begun: its first chunks, and the rest."""
        with Call(self, tokens) as call:
            if self._in_one(body):
                said = self.engine.stream(body, kind)
            else:
                said = stream_several(self.engine, body, kind, self.can)
            async with aclosing(said) as chunks:
                first = await self._first(chunks)
                call.begun()
                yield first, chunks

    def checked(self, *, up: bool) -> None:
        """Its health check says so; one that comes back need not wait for the end of a pause."""
        if up and not self.up:
            self.breaker.expect(time.monotonic())
        self.up, self._sick = up, not up
        self.tell()

    def tell(self) -> None:
        """Say in the metrics how it is."""
        self._up.set(self.up)
        self._breaker.set(self.breaker.state(time.monotonic()))
        self._outstanding.set(self.tokens)

    async def idle(self, timeout_seconds: float) -> bool:
        """Wait until it answers nobody; False when the time is over first."""
        deadline = time.monotonic() + timeout_seconds
        while self.requests:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    def take_out(self) -> None:
        """Its weights are being replaced: nobody leads requests to it, and what it holds nobody knows."""
        self.swapping, self.held = True, None
        self._swaps += 1

    async def look_at_weights(self) -> None:
        """Ask it what it holds, unless that is changing."""
        before = self._swaps
        try:
            found = await held(self.engine)
        except EngineTimedOut:
            return  # it is busy, which changes nothing
        except EngineFailed:
            found = None
        if not self.swapping and before == self._swaps:
            self.held = found

    async def discover(self) -> None:
        """Look at what it can do, once; and again when it was away, for it may have come back as another."""
        if not self.up:
            self.can.learn("n", None)
        if not self.up or not self._looked:
            self._looked = True
            self.can.learn("adapters", await self.engine.loads_adapters())

    def _in_one(self, body: Body) -> bool:
        """Whether one call to the engine is known to give all choices."""
        return (body.get("n") or 1) == 1 or self.can.has("n")

    async def _first(self, chunks: Chunks) -> list[dict[str, Any]]:
        try:
            async with asyncio.timeout(self._first_byte_seconds):
                return await anext(chunks)
        except TimeoutError:
            raise EngineTimedOut(f"engine {self.name} did not begin its answer in time") from None
        except StopAsyncIteration:
            raise EngineFailed(f"engine {self.name} ended its answer before it began") from None


class Call(AbstractContextManager["Call"]):
    """One call to a replica: what it owes meanwhile, and what the end of the call says of it.

    A caller who leaves, or whose own deadline passes, says nothing: impatience must not open a breaker.
    """

    __slots__ = ("_probe", "_replica", "_tokens")

    def __init__(self, replica: Replica, tokens: int) -> None:
        self._replica = replica
        self._tokens = tokens

    def __enter__(self) -> Self:
        replica = self._replica
        replica.requests += 1
        replica.tokens += self._tokens
        self._probe = replica.breaker.failed > 0 and replica.breaker.begin(time.monotonic())
        return self

    def begun(self) -> None:
        """The first byte has come."""
        if self._probe:
            self._replica.breaker.begun()
            self._probe = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        replica = self._replica
        replica.requests -= 1
        replica.tokens -= self._tokens
        if error is not None or replica.breaker.failed:
            self._learn(error)

    def _learn(self, error: BaseException | None) -> None:
        replica = self._replica
        well = served(error) if isinstance(error, EngineFailed) else True if error is None else None
        if well:
            replica.breaker.succeed()
        elif well is False:
            replica.breaker.fail(time.monotonic())
        elif self._probe:
            replica.breaker.abandon()
        if isinstance(error, EngineUnavailable):
            replica.up = False
            replica.held = None  # it may come back with the weights that it starts with
        if error is None or well is not None:
            replica.tell()
