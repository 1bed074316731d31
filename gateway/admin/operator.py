"""What an operator does to versions: stage, roll out, roll back, retire; the safest step comes first.

A hot swap is: load on every engine → verify in its model list → one real answer → flip the weights in one
transaction → wait for requests in flight → unload. Nothing here ever loads in place.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.admin.following import follow
from gateway.admin.rollouts import Rollouts, Weights, checked, routes_of
from gateway.admin.trail import Change
from gateway.admin.versions import Version, Versions
from gateway.engines.contract import EngineFailed
from gateway.errors import BadRequest, Conflict, UpstreamFailed
from gateway.ledger.database import Database
from gateway.tools import Tools

PROBE: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello."}],
    "max_tokens": 4,
    "temperature": 0.0,
}


@dataclass(frozen=True, slots=True)
class Rollout:
    """An alias's weights before and after a change, and how long it took to be in force here."""

    alias: str
    before: Weights
    after: Weights
    seconds: float


@dataclass(frozen=True, slots=True)
class Operator:
    """Does it, on behalf of the key called `actor`."""

    tools: Tools
    database: Database
    actor: str

    @property
    def versions(self) -> Versions:
        """The versions in the ledger."""
        return Versions(self.database)

    @property
    def rollouts(self) -> Rollouts:
        """The weights in the ledger."""
        return Rollouts(self.database)

    async def stage(self, version_id: str) -> dict[str, Any]:
        """Load a version on every engine and have it answer; a failure leaves everything as it was."""
        version = await self.versions.get(version_id)
        if version.state == "retired":
            raise Conflict(f"{version.id} is retired; register it under a new name", param="version")
        started = time.perf_counter()
        probe = await self._loaded_and_asked(version)
        evidence = {"seconds": time.perf_counter() - started, "probe": probe}
        if version.state == "registered":
            await self.versions.move(version, "staged", self.actor, evidence)
        await self.follow()
        return {"version": version.id, **evidence}

    async def roll_out(
        self, alias: str, weights: Weights, cause: str, evidence: dict[str, Any], kind: str = "rollout"
    ) -> Rollout:
        """Put an alias's weights in force, here at once and on other gateways within a second."""
        started = time.perf_counter()
        _, staged = await routes_of(self.database)
        after = checked(alias, weights, staged)
        before = (await self.rollouts.weights()).get(alias, {})
        change = Change(kind, alias, before, after, cause, evidence)
        try:
            await self.rollouts.put(alias, after, change, self.actor)
            await self.follow()
        except BaseException:
            self.tools.metrics.swaps.labels("failed").inc()
            raise
        self.tools.metrics.swaps.labels("done").inc()
        return Rollout(alias, before, after, time.perf_counter() - started)

    async def roll_back(self, alias: str, cause: str) -> Rollout:
        """Go back to the weights from before the last rollout."""
        earlier = await self.rollouts.before(alias)
        return await self.roll_out(alias, earlier, cause, {}, kind="rollback")

    async def retire(self, version_id: str, timeout_seconds: float) -> dict[str, Any]:
        """Wait for what is in flight, then unload; refuses while any alias leads to the version."""
        version = await self.versions.get(version_id)
        routed = [alias for alias, told in (await self.rollouts.weights()).items() if version.id in told]
        if routed:
            raise Conflict(f"{version.id} still answers for {', '.join(routed)}", param="version")
        if version.path is None:
            raise BadRequest("the base model cannot be retired: adapters rest on it", param="version")
        if not await self.tools.router.drained(version.id, timeout_seconds):
            raise Conflict(f"{version.id} still has requests in flight; try again", param="version")
        if version.state != "retired":
            await self.versions.move(version, "retired", self.actor, {})
        await self.follow()
        await self.tools.engine.unload_adapter(version.model)
        return {"version": version.id, "state": "retired"}

    async def follow(self) -> None:
        """Publish what the ledger says now, and have engines load what they lack of it."""
        await follow(self.tools, self.database)

    async def _loaded_and_asked(self, version: Version) -> str:
        try:
            if version.path is not None:
                await self.tools.engine.load_adapter(version.model, Path(version.path))
            if version.model not in await self.tools.engine.models():
                raise UpstreamFailed(f"not every engine lists {version.model}", code="not_staged")
            answer = await self.tools.engine.complete({"model": version.model, **PROBE})
            return str(answer["choices"][0]["finish_reason"])
        except (EngineFailed, KeyError, IndexError, UpstreamFailed) as error:
            if version.path is not None and version.state == "registered":
                await self.tools.engine.unload_adapter(version.model)
            raise UpstreamFailed(f"{version.id} was not staged: {error}", code="not_staged") from error
