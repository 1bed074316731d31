"""What an operator does to versions: stage, roll out, roll back, retire; the safest step comes first.

A hot swap is: load on every engine → verify in its model list → real answers → flip the weights in one
transaction → wait for requests in flight → unload. Nothing here ever loads an adapter in place, or deletes a file.
Full weights are checked where they lie, and brought to engines when they are rolled out (weights/swapping.py).
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.admin.adapters import check_unchanged
from gateway.admin.following import FOLLOW_SECONDS, follow
from gateway.admin.rollouts import MOVED, Rollouts, WayBack, Weights
from gateway.admin.trail import Change
from gateway.admin.versions import Version, Versions, staged_in
from gateway.admin.weights.operating import How, checked_against_base, swap_weights, swaps_weights
from gateway.engines.contract import EngineFailed
from gateway.engines.reloading import PROBE
from gateway.errors import ApiError, BadRequest, Conflict, UpstreamFailed
from gateway.ledger.database import Database
from gateway.tools import Tools

BACK_TRIES = 5  # of a rollback, while the canary that it undoes steps on


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
        started = time.perf_counter()
        try:
            if self.tools.fetching:
                await self.tools.fetching.bring(version)
            await check_unchanged(version)
            probe = await (self._checked(version) if version.full else self._loaded_and_asked(version))
        except ApiError:
            self.tools.metrics.swaps.labels("failed").inc()
            raise
        evidence = {"seconds": time.perf_counter() - started, "probe": probe}
        async with self.tools.changing:
            await self.versions.move(version, "staged", self.actor, evidence)
            await follow(self.tools, self.database)
        return {"version": version.id, **evidence}

    async def roll_out(
        self,
        alias: str,
        weights: Weights,
        cause: str,
        evidence: dict[str, Any],
        kind: str = "rollout",
        how: How | None = None,
    ) -> Rollout:
        """Put an alias's weights in force, here at once and on other gateways within a second.

        Where engines must get other full weights first, it returns when they have. Raises Conflict when others than
        expected are in force, or a fence tells of a lease that is lost.
        """
        started, how = time.perf_counter(), how or How()
        change = Change(kind, alias, {}, {}, cause, evidence)
        try:
            if await swaps_weights(self.tools, self.database, alias, weights):
                before = await swap_weights(self.tools, self.database, change, weights, self.actor, how)
            else:
                async with self.tools.changing:
                    before = await self.rollouts.put(
                        alias, weights, change, self.actor, how.expected, how.refuse
                    )
                    await follow(self.tools, self.database)
        except BaseException:
            self.tools.metrics.swaps.labels("failed").inc()
            raise
        self.tools.metrics.swaps.labels("done").inc()
        after = {version: weight for version, weight in weights.items() if weight > 0}
        return Rollout(alias, before, after, time.perf_counter() - started)

    async def roll_back(self, alias: str, cause: str, expected: Weights | None = None) -> Rollout:
        """Undo the latest rollout that was not undone yet; what was retired since is loaded again first.

        Raises Conflict where somebody moves the alias meanwhile, by a rollback too: what would be undone is not what
        this one was asked to undo. A canary that only takes its next step meanwhile is undone with that. Raises it
        also where others than `expected` are in force: who asks once more, for want of an answer, undoes nothing more.
        """
        way = await self.rollouts.way_back(alias, expected)
        staged = staged_in(await self.versions.all())
        for version in way.there:
            if version not in staged:
                await self.stage(version)
        return await self._led_back(alias, way, cause, BACK_TRIES)

    async def _led_back(self, alias: str, way: WayBack, cause: str, tries: int) -> Rollout:
        try:
            return await self.roll_out(
                alias, way.there, cause, {}, kind="rollback", how=How(expected=way.here)
            )
        except Conflict as refused:
            again = await self._again(alias, way) if refused.code == MOVED and tries > 1 else None
            if again is None:
                raise
        return await self._led_back(alias, again, cause, tries - 1)

    async def _again(self, alias: str, way: WayBack) -> WayBack | None:
        """The way back from where the alias is by now; None where it undoes another rollout."""
        with suppress(Conflict):
            again = await self.rollouts.way_back(alias)
            if again.undoes == way.undoes:
                return again
        return None

    async def retire(self, version_id: str, timeout_seconds: float) -> dict[str, Any]:
        """Let no request begin on it, wait for those in flight, then unload; refused while routed."""
        version = await self.versions.get(version_id)
        if version.path is None:
            raise BadRequest("the base model cannot be retired: adapters rest on it", param="version")
        if version.full:
            async with self.tools.changing:
                await self.versions.move(version, "retired", self.actor, {})
                await follow(self.tools, self.database)
            return {"version": version.id, "state": "retired"}  # no engine holds what nobody is led to
        async with self.tools.changing:
            await self.versions.move(version, "retired", self.actor, {})
            await follow(self.tools, self.database)
        await asyncio.sleep(2 * FOLLOW_SECONDS)  # until then, other gateways may lead requests to it
        if not await self.tools.router.drained(version.id, timeout_seconds):
            left = self.tools.router.in_flight(version.id)
            told = f"{version.id} takes no new requests, but {left} are in flight"
            raise Conflict(f"{told}: it is unloaded once they end", param="version", code="in_flight")
        await self.tools.engine.unload_adapter(version.model)
        return {"version": version.id, "state": "retired"}

    async def _checked(self, version: Version) -> str:
        """What was looked at of full weights, of which no engine hears before they are known to fit."""
        try:
            looked = await checked_against_base(self.tools, str(version.path))
        except EngineFailed as error:
            raise UpstreamFailed(f"{version.id} was not staged: {error}", code="load_failed") from error
        return f"{looked['tensors']} tensors fit; {looked['scanned']} numbers were looked at"

    async def _loaded_and_asked(self, version: Version) -> str:
        """Why the engines' answers ended. What already serves is asked, but neither loaded nor unloaded.

        The code of the error names the step: load_failed or probe_failed.
        """
        code = "load_failed"
        engine, fresh = self.tools.engine, version.state != "staged" and version.path is not None
        try:
            if fresh:
                await engine.load_adapter(version.model, Path(str(version.path)))
            if version.model not in await engine.models():
                raise EngineFailed(f"not every engine lists {version.model}")
            code = "probe_failed"
            answers = await engine.probe({"model": version.model, **PROBE})
            reasons = {str(answer["choices"][0]["finish_reason"]) for answer in answers}
        except (EngineFailed, KeyError, IndexError, TypeError) as error:
            if fresh:
                await engine.unload_adapter(version.model)
            raise UpstreamFailed(f"{version.id} was not staged: {error}", code=code) from error
        return ", ".join(sorted(reasons))
