"""Which names this engine answers to: the base model, and every adapter loaded and not yet unloaded."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from gateway.engines.pocket.errors import AdapterMissing, AdapterRefused, UnknownModel
from gateway.engines.pocket.job import Version


class Loader(Protocol):
    """Makes a version from a directory; may take a while."""

    def adapter(self, path: Path, *, name: str, max_rank: int) -> Version: ...

    def weights(self, path: Path) -> Version:
        """Other weights for the base, on which adapters rest from then on; raises WeightsBroken and changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """A version under a name."""

    name: str
    version: Version
    root: str
    parent: str | None = None
    created: int = field(default_factory=lambda: int(time.time()))


class Versions:
    """Names in service. A request holds its version itself, so forgetting a name never disturbs it."""

    def __init__(self, base: Served, loader: Loader, max_rank: int) -> None:
        self._base = base
        self._loader = loader
        self._max_rank = max_rank
        self._adapters: dict[str, Served] = {}
        self._loading = asyncio.Lock()

    def listed(self) -> list[Served]:
        return [self._base, *self._adapters.values()]

    def named(self, name: str | None) -> Served:
        """The version a request begins on; no name means the base, as in vLLM."""
        if not name or name == self._base.name:
            return self._base
        if name not in self._adapters:
            raise UnknownModel(name)
        return self._adapters[name]

    async def load(self, name: str, path: str, *, in_place: bool) -> None:
        """Bring an adapter into service under a name never in use at the same time."""
        if not name or not path:
            raise AdapterRefused("Both 'lora_name' and 'lora_path' must be provided.")
        if in_place:
            raise AdapterRefused(
                "load_inplace would change the weights under running requests; name each version anew.",
                param="load_inplace",
            )
        async with self._loading:
            self._check_free(name)
            version = await asyncio.to_thread(
                self._loader.adapter, Path(path), name=name, max_rank=self._max_rank
            )
            self._adapters[name] = Served(name, version, path, self._base.name)

    async def reload(self, path: str) -> None:
        """Put other weights under the base model's name, and under every adapter."""
        async with self._loading:
            version = await asyncio.to_thread(self._loader.weights, Path(path))
            self._base = replace(self._base, version=version)
            for served in list(self._adapters.values()):
                on_top = await asyncio.to_thread(
                    self._loader.adapter, Path(served.root), name=served.name, max_rank=self._max_rank
                )
                self._adapters[served.name] = replace(served, version=on_top)

    def _check_free(self, name: str) -> None:
        if name == self._base.name:
            raise AdapterRefused(
                f"The lora adapter name '{name}' conflicts with a served base model.", param="lora_name"
            )
        if name in self._adapters:
            raise AdapterRefused(
                f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place"
                ", set 'load_inplace' to True."
            )

    def unload(self, name: str) -> None:
        """Forget a name; its weights go when the last request on them is done."""
        if not name:
            raise AdapterRefused("'lora_name' needs to be provided to unload a LoRA adapter.")
        if self._adapters.pop(name, None) is None:
            raise AdapterMissing(f"The lora adapter '{name}' cannot be found.")
