"""An engine that knows models by other names than ours: a provider's own, in and out."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from gateway.engines.contract import Body, Kind, Named


class Renamed:
    """A replica behind a map from our names to its own; names that are not in the map are the same there."""

    def __init__(self, engine: Named, models: Mapping[str, str]) -> None:
        self.name = engine.name
        self._engine = engine
        self._theirs = dict(models)
        self._ours = {theirs: ours for ours, theirs in models.items()}

    async def complete(self, body: Body, kind: Kind = "chat") -> dict[str, Any]:
        """One completion by the model that we mean."""
        return await self._engine.complete(self._meant(body), kind)

    def stream(self, body: Body, kind: Kind = "chat") -> AsyncGenerator[list[dict[str, Any]], None]:
        """The chunks of one completion by the model that we mean."""
        return self._engine.stream(self._meant(body), kind)

    async def embed(self, body: Body) -> dict[str, Any]:
        """The vectors that the model that we mean makes."""
        return await self._engine.embed(self._meant(body))

    async def count(self, body: Body) -> int:
        """How many tokens a conversation is to the model that we mean."""
        return await self._engine.count(self._meant(body))

    async def models(self) -> tuple[str, ...]:
        """The names it serves now, ours where we have one."""
        return tuple(self._ours.get(name, name) for name in await self._engine.models())

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter."""
        await self._engine.load_adapter(name, path)

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter's name."""
        await self._engine.unload_adapter(name)

    async def loads_adapters(self) -> bool | None:
        """Whether it has a route to load adapters; None when it does not tell."""
        return await self._engine.loads_adapters()

    async def healthy(self) -> bool:
        """Whether it says that it can serve."""
        return await self._engine.healthy()

    async def operate(self, path: str, body: Body | None, seconds: float) -> dict[str, Any]:
        """What one of its own routes beside `/v1` answers."""
        return await self._engine.operate(path, body, seconds)

    def _meant(self, body: Body) -> Body:
        model = str(body.get("model"))
        return {**body, "model": self._theirs.get(model, model)}
