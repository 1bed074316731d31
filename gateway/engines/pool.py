"""Several replicas of the policy model as one engine: who is asked, who is asked instead, who is left out."""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.engines.adapters import Adapters
from gateway.engines.capabilities import Capabilities
from gateway.engines.choice import ranked, tokens_of
from gateway.engines.contract import (
    Body,
    Capability,
    EngineFailed,
    EngineRefused,
    EngineUnavailable,
    Kind,
    Named,
)
from gateway.engines.replica import Replica, Standing
from gateway.engines.retries import Tries
from gateway.engines.weights import FullWeights
from gateway.metrics import Metrics

Serves = Mapping[str, Collection[Capability] | None]


class Pool:
    """Routes each request to one replica (choice.py), and to another when that one fails before its first byte.

    `serves` is what operators declare that replicas can do; `first_byte_seconds` how long a stream may take to begin;
    `managed` names those whose weights may be replaced.
    """

    def __init__(
        self,
        engines: Sequence[Named],
        metrics: Metrics,
        serves: Serves | None = None,
        first_byte_seconds: float | None = None,
        managed: Collection[str] = (),
    ) -> None:
        told = serves or {}
        self.replicas = tuple(
            Replica(
                engine,
                metrics,
                Capabilities(told.get(engine.name)),
                first_byte_seconds,
                managed=engine.name in managed,
            )
            for engine in engines
        )
        self.weights = FullWeights(self.replicas)
        self._adapters = Adapters(self.replicas)
        self._metrics = metrics
        self._turn = 0

    async def complete(self, body: Body, kind: Kind = "chat", affinity: str | None = None) -> dict[str, Any]:
        """One completion; calls with the same `affinity` are one conversation's, and go together."""
        tokens, tries = self._tokens(body), Tries(self._order(body, affinity))
        for replica in self._still_able(tries, body):
            try:
                return await replica.complete(self.weights.meant(body), kind, tokens)
            except EngineFailed as error:
                if not await self._goes_on(tries, replica, body, error):
                    raise
        raise _nobody()

    async def stream(
        self, body: Body, kind: Kind = "chat", affinity: str | None = None
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """One stream; once it has begun, it fails with its replica."""
        tokens, tries, begun = self._tokens(body), Tries(self._order(body, affinity), streamed=True), False
        for replica in self._still_able(tries, body):
            try:
                async with replica.streamed(self.weights.meant(body), kind, tokens) as (first, rest):
                    begun = True
                    yield first
                    async for chunks in rest:
                        yield chunks
            except EngineFailed as error:
                if begun or not await self._goes_on(tries, replica, body, error):
                    raise
            else:
                return
        raise _nobody()

    async def embed(self, body: Body) -> dict[str, Any]:
        """The vectors of some texts."""
        tries = Tries(self._order(body, None))
        for replica in self._still_able(tries, body):
            try:
                return await replica.embed(self.weights.meant(body))
            except EngineFailed as error:
                if not await self._goes_on(tries, replica, body, error):
                    raise
        raise _nobody()

    async def count(self, body: Body) -> int:
        """How many tokens a conversation is; where replicas differ, one that can tell is found."""
        tries = Tries(self._order(body, None))
        failure: EngineFailed = _nobody()
        for replica in self._still_able(tries, body):
            try:
                return await replica.count(self.weights.meant(body))
            except EngineFailed as error:
                failure = error
                goes_on = await self._goes_on(tries, replica, body, error)
                if not goes_on and not (isinstance(error, EngineRefused) and error.no_such_route):
                    raise
        raise failure

    async def probe(self, body: Body) -> list[dict[str, Any]]:
        """One chat completion from every replica that is to serve the model; raises when any fails."""
        asked = [each for each in self.replicas if not (each.draining or self._unable(each, body))]
        return list(await asyncio.gather(*(replica.engine.complete(body) for replica in asked)))

    async def models(self) -> tuple[str, ...]:
        """The names that every reachable replica serves; where some load adapters, they speak for all."""
        asked = self._adapters.takers() or self.replicas
        listed = await asyncio.gather(*(each.engine.models() for each in asked), return_exceptions=True)
        served = [names for names in listed if isinstance(names, tuple)]
        if not served:
            raise EngineUnavailable("no engine can be reached")
        return tuple(name for name in served[0] if all(name in names for names in served))

    async def listed(self) -> dict[str, tuple[str, ...]]:
        """What each replica that is up says it serves; who does not tell is left out."""
        asked = [each for each in self.replicas if each.up and not each.draining]
        told = await asyncio.gather(*(each.engine.models() for each in asked), return_exceptions=True)
        return {
            each.name: self.weights.listed(each, names)
            for each, names in zip(asked, told, strict=True)
            if isinstance(names, tuple)
        }

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load an adapter on every replica that loads any and is not drained, or on none."""
        await self._adapters.load(name, path)

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter on every replica."""
        await self._adapters.unload(name)

    def adopt(self, adapters: Mapping[str, Path]) -> None:
        """Say which adapters every replica should have, no others; `check` loads what is missing."""
        self._adapters.adopt(adapters)

    async def healthy(self) -> bool:
        """Whether any replica can serve."""
        return any(replica.up and not replica.draining for replica in self.replicas)

    async def check(self) -> None:
        """Ask every replica for its health; one that has come back gets the adapters that it lost."""
        await asyncio.gather(*(self._check(replica) for replica in self.replicas))

    def status(self) -> dict[str, bool]:
        """Whether each replica was healthy when last heard of."""
        return {replica.name: replica.up for replica in self.replicas}

    def drain(self, name: str) -> None:
        """Ask a replica for nothing new; what it answers now goes on. KeyError when there is none of this name."""
        self.replica(name).draining = True

    def resume(self, name: str) -> None:
        """Ask a replica again; KeyError when there is none of this name."""
        self.replica(name).draining = False

    def replica(self, name: str) -> Replica:
        """The replica of this name; KeyError when there is none."""
        return {replica.name: replica for replica in self.replicas}[name]

    def _tokens(self, body: Body) -> int:
        """What the request will cost a replica; of a single one nobody asks, and so nobody counts."""
        return tokens_of(body) if len(self.replicas) > 1 else 0

    def _order(self, body: Body, affinity: str | None) -> Sequence[Replica]:
        """The replicas to ask, in turn; raises EngineFailed when none can do what the request wants."""
        if len(self.replicas) == 1 and self.replicas[0].plain:
            return self.replicas
        now, able = time.monotonic(), [each for each in self.replicas if not self._unable(each, body)]
        if not able:
            raise self._incapable(body)
        standings = [(each.standing(now), each) for each in able]
        self._turn += 1
        order: list[Replica] = []
        for wanted in (Standing.READY, Standing.DOWN, Standing.RESTING):
            equals = [each for standing, each in standings if standing is wanted]
            order += ranked(equals, affinity, self._turn)
        return order

    def _unable(self, replica: Replica, body: Body) -> bool:
        """Whether a replica is known to lack what the request wants."""
        if self.weights.lacks(replica, body.get("model")):
            return True
        if replica.can.lacks("logprobs") and body.get("logprobs"):
            return True
        return replica.can.lacks("adapters") and body.get("model") in self._adapters

    def _still_able(self, tries: Tries[Replica], body: Body) -> Iterator[Replica]:
        """Those to ask in turn, less who has been taken out, or has got other weights, since the first was asked."""
        for replica in tries:
            if not (replica.swapping or self.weights.lacks(replica, body.get("model"))):
                yield replica

    def _incapable(self, body: Body) -> EngineFailed:
        if all(self.weights.lacks(each, body.get("model")) for each in self.replicas):
            return EngineUnavailable("no engine holds the weights of this version now")
        if body.get("logprobs"):
            return EngineRefused(400, "no engine of this model gives logprobs", param="logprobs")
        return EngineFailed("no engine here loads adapters")

    async def _goes_on(
        self, tries: Tries[Replica], replica: Replica, body: Body, error: EngineFailed
    ) -> bool:
        """Whether a request whose try failed is tried again, there or elsewhere."""
        if await self._adapters.restored(replica, body, error):
            return tries.once_more()
        if isinstance(error, EngineRefused) and error.no_such_model:
            error.model = str(body.get("model"))
        if not tries.elsewhere(error):
            return False
        self._metrics.engine_retries.labels(replica.name).inc()
        return True

    async def _check(self, replica: Replica) -> None:
        up = await replica.engine.healthy()
        if up:
            await replica.discover()
            up = await self._adapters.reload_lost(replica)
        await self.weights.look(replica)
        replica.checked(up=up)


def _nobody() -> EngineUnavailable:
    return EngineUnavailable("no engine takes requests now: each is drained, or has failed too often")
