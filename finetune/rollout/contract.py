"""What a retraining asks of whoever moves traffic."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune.rollout.plan import RolloutRules


@dataclass(frozen=True, slots=True)
class Live:
    """The version that answers for an alias now; without an adapter it is the bare base model."""

    version: str
    adapter: Path | None
    weights: dict[str, float]

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.version} is live"


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that the gateway knows."""

    version: str

    @property
    def told(self) -> str:
        """One line for people."""
        return f"registered as {self.version}"


@dataclass(frozen=True, slots=True)
class Staged:
    """A version that every engine has loaded and that has answered a probe."""

    version: str
    seconds: float
    evidence: dict[str, Any]

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.version} is loaded and answers, after {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Flipped:
    """An alias that maps to a new version."""

    alias: str
    before: dict[str, float]
    after: dict[str, float]
    seconds: float

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.alias} → {', '.join(self.after)}, in {1000 * self.seconds:.0f} ms"


@dataclass(frozen=True, slots=True)
class Opened:
    """A rollout that has begun, and goes on by itself wherever `trimtab finetune watch` runs."""

    rollout: str
    version: str

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.version} comes into traffic step by step: rollout {self.rollout}"


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of a version that has left traffic, or did not come into it to stay."""

    version: str
    note: str

    @property
    def told(self) -> str:
        """One line for people."""
        return self.note


class Rollouts(Protocol):
    """Begins rollouts; the one that a retraining has begun before is found again."""

    async def open(self, alias: str, version: str, old: Live, rules: RolloutRules, retraining: str) -> Opened:
        """Begin to bring a version into an alias's traffic; raises RolloutFailed."""
        ...

    async def begun_by(self, retraining: str) -> bool:
        """Whether a retraining has begun one."""
        ...

    async def needed(self, but: str | None = None) -> set[str]:
        """The versions of all rollouts under way, and those that retrainings under way are about to bring in.

        Without what the retraining `but` was about to bring in.
        """
        ...

    async def under_way(self, alias: str) -> str | None:
        """The rollout that an alias is in, in words; None while there is none."""
        ...


class Registry(Protocol):
    """Moves traffic; each call may be repeated after a kill, and then finds its work done."""

    async def live(self, alias: str) -> Live:
        """The version that answers for an alias; raises RolloutFailed."""
        ...

    async def register(self, version: str, adapter: Path, lineage: Mapping[str, Any]) -> Registered:
        """Make a version known, with its lineage; raises RolloutFailed."""
        ...

    async def stage(self, version: str) -> Staged:
        """Load it on every engine and have it answer; raises RolloutFailed."""
        ...

    async def ensure_staged(self, version: str) -> None:
        """Stage it again where it was unloaded since, by a drain for another alias; raises RolloutFailed."""
        ...

    async def flip(self, alias: str, version: str, old: Live, evidence: Mapping[str, Any]) -> Flipped:
        """Give it all of the alias's traffic, staged again where it was unloaded since; raises RolloutFailed.

        FlipUndone, one of those, means that `old` has the traffic again, or that somebody else gave it away
        meanwhile: the run is over.
        """
        ...

    async def drain(self, old: Live, new: str, needed: Collection[str] = ()) -> Drained:
        """Retire what earlier retrainings left, once its requests in flight have ended.

        `old`, `new`, whatever else is needed, and what a rollback of any alias would lead to stay loaded.
        """
        ...

    async def discard(self, version: str, needed: Collection[str] = ()) -> Drained:
        """Retire what did not come into traffic to stay, where nothing needs it, as a drain would.

        Raises RolloutFailed where that cannot be done now; the next drain does it. Requests that are still in flight
        on it keep it loaded until they end, and are no failure.
        """
        ...
