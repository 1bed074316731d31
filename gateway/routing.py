"""Which version answers: an immutable snapshot of aliases and weights, and the router that swaps snapshots.

RoutesInvalid     weights that do not sum to 1, or a version without an engine's name for it
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import TracebackType

from gateway.metrics import Metrics

POLL_SECONDS = 0.02


class RoutesInvalid(ValueError):
    """Weights that do not sum to 1, or a version without an engine's name for it."""


@dataclass(frozen=True, slots=True)
class Share:
    """A version's share of an alias' conversations, 0 to 1."""

    version: str
    weight: float


@dataclass(frozen=True, slots=True)
class Routes:
    """Alias → weighted versions, version → the name that engines serve it under; replaced, never changed.

    Each alias lists its established version first and newcomers after it: then a growing newcomer takes
    conversations from the end of the established one's interval, and moves each of them at most once.
    """

    aliases: Mapping[str, tuple[Share, ...]]
    models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for alias, shares in self.aliases.items():
            if any(not 0 <= share.weight <= 1 for share in shares):
                raise RoutesInvalid(f"{alias}: every weight must be between 0 and 1")
            if not math.isclose(sum(share.weight for share in shares), 1, abs_tol=1e-6):
                raise RoutesInvalid(f"{alias}: the weights must sum to 1")
            if unknown := [share.version for share in shares if share.version not in self.models]:
                raise RoutesInvalid(f"{alias}: no engine serves {', '.join(unknown)}")

    def choose(self, alias: str, sticky: str) -> str | None:
        """The version for a conversation, the same one for the same key; None when there is no such alias."""
        shares = self.aliases.get(alias)
        if shares is None:
            return None
        if len(shares) == 1:
            return shares[0].version
        place, edge = _place(alias, sticky), 0.0
        serving = [share for share in shares if share.weight > 0]
        for share in serving:
            edge += share.weight
            if place < edge:
                return share.version
        return serving[-1].version  # rounding left a sliver beyond the last edge


def _place(alias: str, sticky: str) -> float:
    """Where a conversation stands in [0, 1)."""
    digest = blake2b(f"{alias}\0{sticky}".encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest) / 256**7  # 56 bits: no more than a float can tell from 1


class Router:
    """Holds the current routes, and counts what is in flight on each version."""

    def __init__(self, routes: Routes, metrics: Metrics) -> None:
        self._metrics = metrics
        self._in_flight: Counter[str] = Counter()
        self.publish(routes)

    @property
    def current(self) -> Routes:
        """The routes of this moment; read once per request."""
        return self._routes

    def publish(self, routes: Routes) -> None:
        """Replace the routes at once for every request that has not chosen yet."""
        self._routes = routes
        self._metrics.forget_weights()
        for alias, shares in routes.aliases.items():
            for share in shares:
                self._metrics.version_weight.labels(alias, share.version).set(share.weight)

    def lease(self, version: str) -> "Lease":
        """For as long as a request is in flight on a version, so that draining can wait for it."""
        return Lease(self.count, version)

    def in_flight(self, version: str) -> int:
        """Requests that began on a version and have not ended."""
        return self._in_flight[version]

    async def drained(self, version: str, timeout_seconds: float) -> bool:
        """Wait until nothing is in flight on a version; False when the time is over first."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while self.in_flight(version):
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    def count(self, version: str, change: int) -> None:
        """So many requests more, or fewer, are in flight on a version."""
        self._in_flight[version] += change
        self._metrics.in_flight.labels(version).set(self._in_flight[version])
        if not self._in_flight[version]:
            del self._in_flight[version]


class Lease:
    """One request in flight on a version."""

    __slots__ = ("_count", "_version")

    def __init__(self, count: Callable[[str, int], None], version: str) -> None:
        self._count = count
        self._version = version

    def __enter__(self) -> None:
        self._count(self._version, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._count(self._version, -1)
