"""The adapters that every replica should have: loaded on all or on none, and again where one is lost.

All are those that load any. One that is drained may be away for its maintenance and holds nobody up: it gets
what it lacks as soon as it is well.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.engines.contract import Body, EngineFailed, EngineRefused, Named
from gateway.engines.replica import Replica


class Adapters:
    """What should be loaded; a replica that is known to load no adapters is left out, and never asked for one."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._wanted: dict[str, Path] = {}

    def __contains__(self, model: object) -> bool:
        return model in self._wanted

    def adopt(self, adapters: Mapping[str, Path]) -> None:
        """Say which there should be, no others; `reload_lost` loads what is missing."""
        self._wanted = dict(adapters)

    async def load(self, name: str, path: Path) -> None:
        """Load one on every replica, or on none: a failure takes it back where it was loaded."""
        takers = self.takers()
        if not takers:
            raise EngineFailed("no engine here loads adapters")
        results = await asyncio.gather(
            *(_load(replica.engine, name, path) for replica in takers), return_exceptions=True
        )
        if failures := [result for result in results if isinstance(result, BaseException)]:
            await self._unload(name)
            raise failures[0]
        self._wanted[name] = path

    async def unload(self, name: str) -> None:
        """Forget one on every replica."""
        self._wanted.pop(name, None)
        await self._unload(name)

    async def restored(self, replica: Replica, body: Body, error: EngineFailed) -> bool:
        """Whether a replica that did not know an adapter, as after its restart, has got it again."""
        path = self._wanted.get(str(body.get("model")))
        if path is None or not isinstance(error, EngineRefused) or error.status != 404:
            return False
        try:
            await _load(replica.engine, str(body["model"]), path)
        except EngineFailed:
            return False
        return True

    async def reload_lost(self, replica: Replica) -> bool:
        """Whether the replica has, or now got, every adapter that it should have."""
        if not self._wanted or replica.can.lacks("adapters"):
            return True
        try:
            served = await replica.engine.models()
            for name, path in list(self._wanted.items()):
                if name not in served:
                    await _load(replica.engine, name, path)
        except EngineFailed:
            return False
        return True

    def takers(self) -> list[Replica]:
        """The replicas that are to have them now."""
        return [each for each in self._replicas if not (each.draining or each.can.lacks("adapters"))]

    async def _unload(self, name: str) -> None:
        for replica in self._replicas:
            if replica.can.lacks("adapters"):
                continue
            with suppress(EngineFailed):  # it may never have had it, or be away, which forgets it as well
                await replica.engine.unload_adapter(name)


async def _load(engine: Named, name: str, path: Path) -> None:
    """Load an adapter unless the engine serves it already, as it does when an earlier try was cut off."""
    try:
        await engine.load_adapter(name, path)
    except EngineRefused:
        if name not in await engine.models():
            raise
