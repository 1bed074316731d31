"""The server for embeddings that stands beside the policy engines, where the operator has set one up."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.engines.http import HttpEngine


@dataclass(frozen=True, slots=True)
class Embedder:
    """An engine that embeds, and what its models are called in public."""

    engine: HttpEngine
    models: Mapping[str, str]  # the name that clients ask for: the engine's own
