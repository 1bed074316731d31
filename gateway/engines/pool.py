"""Several replicas of the policy model as one engine: requests take turns, adapters go to all."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Protocol

from gateway.engines.contract import Body, Engine, EngineFailed, EngineRefused, EngineUnavailable
from gateway.metrics import Metrics


class Named(Engine, Protocol):
    """An engine with the name that its operator gave it."""

    @property
    def name(self) -> str:
        """Unique among the replicas."""
        ...


class Pool:
    """Routes each request to the next healthy replica, and tries another when one cannot be reached."""

    def __init__(self, replicas: Sequence[Named], metrics: Metrics) -> None:
        self._replicas = tuple(replicas)
        self._metrics = metrics
        self._turn = 0
        self._down: set[str] = set()
        self._adapters: dict[str, Path] = {}
        for replica in self._replicas:
            metrics.engine_up.labels(replica.name).set(1)

    async def complete(self, body: Body) -> dict[str, Any]:
        """One chat completion from the first replica that can be reached."""
        for replica in self._in_turn():
            try:
                return await self._completed(replica, body)
            except EngineUnavailable as error:
                self.mark(replica, up=False)
                failed = error
        raise failed

    async def stream(self, body: Body) -> AsyncGenerator[dict[str, Any], None]:
        """One stream from the first replica that begins one; once it has begun, it fails with its replica."""
        for replica in self._in_turn():
            begun = False
            try:
                async with aclosing(self._streamed(replica, body)) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
            except EngineUnavailable as error:
                self.mark(replica, up=False)
                if begun:
                    raise
                failed = error
            else:
                return
        raise failed

    async def _completed(self, replica: Named, body: Body) -> dict[str, Any]:
        try:
            return await replica.complete(body)
        except EngineRefused as error:
            if not await self._restored(replica, body, error):
                raise
            return await replica.complete(body)

    async def _streamed(self, replica: Named, body: Body) -> AsyncGenerator[dict[str, Any], None]:
        try:
            async with aclosing(replica.stream(body)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except EngineRefused as error:  # which comes in place of a stream, never inside one
            if not await self._restored(replica, body, error):
                raise
        else:
            return
        async with aclosing(replica.stream(body)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _restored(self, replica: Named, body: Body, error: EngineRefused) -> bool:
        """Whether a replica that did not know an adapter, as after its restart, has got it again."""
        path = self._adapters.get(str(body.get("model")))
        if error.status != 404 or path is None:
            return False
        try:
            await _load(replica, str(body["model"]), path)
        except EngineFailed:
            return False
        return True

    async def probe(self, body: Body) -> list[dict[str, Any]]:
        """One chat completion from every replica, each asked itself; raises when any fails."""
        return list(await asyncio.gather(*(replica.complete(body) for replica in self._replicas)))

    async def models(self) -> tuple[str, ...]:
        """The names that every reachable replica serves; raises when none is reachable."""
        listed = await asyncio.gather(
            *(replica.models() for replica in self._replicas), return_exceptions=True
        )
        served = [names for names in listed if isinstance(names, tuple)]
        if not served:
            raise EngineUnavailable("no engine can be reached")
        return tuple(name for name in served[0] if all(name in names for names in served))

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load an adapter on every replica, or on none: a failure takes it back where it was loaded."""
        results = await asyncio.gather(
            *(_load(replica, name, path) for replica in self._replicas), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await self._unload_everywhere(name)
            raise failures[0]
        self._adapters[name] = path

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter on every replica."""
        self._adapters.pop(name, None)
        await self._unload_everywhere(name)

    async def healthy(self) -> bool:
        """Whether any replica can serve."""
        return len(self._down) < len(self._replicas)

    async def check(self) -> None:
        """Ask every replica for its health; one that has come back gets the adapters that it lost."""
        await asyncio.gather(*(self._check(replica) for replica in self._replicas))

    def adopt(self, adapters: Mapping[str, Path]) -> None:
        """Say which adapters every replica should have, no others; `check` loads what is missing."""
        self._adapters = dict(adapters)

    def status(self) -> dict[str, bool]:
        """Whether each replica was healthy when last heard of."""
        return {replica.name: replica.name not in self._down for replica in self._replicas}

    def mark(self, replica: Named, *, up: bool) -> None:
        """Remember whether a replica can serve."""
        (self._down.discard if up else self._down.add)(replica.name)
        self._metrics.engine_up.labels(replica.name).set(up)

    def _in_turn(self) -> list[Named]:
        """Every replica once, beginning with the next in turn; those believed down come last."""
        self._turn = (self._turn + 1) % len(self._replicas)
        order = [*self._replicas[self._turn :], *self._replicas[: self._turn]]
        return sorted(order, key=lambda replica: replica.name in self._down) if self._down else order

    async def _check(self, replica: Named) -> None:
        up = await replica.healthy()
        if up and self._adapters:
            up = await self._reload_lost(replica)
        self.mark(replica, up=up)

    async def _reload_lost(self, replica: Named) -> bool:
        """Whether the replica has, or now got, every adapter that it should have."""
        try:
            served = await replica.models()
            for name, path in list(self._adapters.items()):
                if name not in served:
                    await _load(replica, name, path)
        except EngineFailed:
            return False
        return True

    async def _unload_everywhere(self, name: str) -> None:
        for replica in self._replicas:
            with suppress(EngineFailed):  # it may never have had it, or be away, which forgets it as well
                await replica.unload_adapter(name)


async def _load(replica: Named, name: str, path: Path) -> None:
    """Load an adapter unless the replica serves it already, as it does when an earlier try was cut off."""
    try:
        await replica.load_adapter(name, path)
    except EngineRefused:
        if name not in await replica.models():
            raise
