"""Which replica may answer for which model, where full weights differ: by what each says that it holds.

A version of full weights has a name of its own here, while engines know all weights by the base model's name: a
request is led by the first, and asked by the second. Base model and adapters need the weights as started.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.engines.contract import Body
from gateway.engines.reloading import AS_STARTED
from gateway.engines.replica import Replica


class FullWeights:
    """The versions of full weights that there are, and who holds them."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._paths: dict[str, Path] = {}
        self._served = ""

    def adopt(self, paths: Mapping[str, Path], served: str) -> None:
        """Say which versions there are, and the engines' own name for whatever weights they hold."""
        self._paths, self._served = dict(paths), served

    @property
    def managed(self) -> list[Replica]:
        """The replicas whose weights may be replaced."""
        return [each for each in self._replicas if each.managed]

    def needed(self, model: object) -> str:
        """The weights that answer for a model."""
        return str(model) if model in self._paths else AS_STARTED

    def path(self, weights: str) -> Path | None:
        """Where weights lie; None for those that engines start with."""
        return self._paths.get(weights)

    def lacks(self, replica: Replica, model: object) -> bool:
        """Whether the replica holds other weights than the model needs, or none that are known."""
        return self.of(replica) != self.needed(model)

    def of(self, replica: Replica) -> str | None:
        """What a replica holds; one that is not managed holds what it was started with."""
        return replica.held if replica.managed else AS_STARTED

    def meant(self, body: Body) -> Body:
        """The request as engines know it."""
        return {**body, "model": self._served} if body.get("model") in self._paths else body

    def listed(self, replica: Replica, names: tuple[str, ...]) -> tuple[str, ...]:
        """What a replica serves, the version that it holds among them."""
        own: Any = self.of(replica)
        return (*names, own) if own in self._paths else names

    async def look(self, replica: Replica) -> None:
        """Ask a managed replica what it holds."""
        if replica.managed:
            await replica.look_at_weights()
