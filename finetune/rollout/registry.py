"""Brings versions into traffic through the gateway's admin API; its errors are translated here, once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import RolloutFailed
from finetune.rollout.contract import Drained, Flipped, Live, Registered, Staged
from gateway.admin.client import AdminClient, AdminFailed, AdminUnavailable, Version


@dataclass(frozen=True, slots=True)
class GatewayRegistry:
    """One gateway's versions and aliases."""

    admin: AdminClient

    async def live(self, alias: str) -> Live:
        """The version that has most of the alias's traffic; raises RolloutFailed."""
        async with translated("the live version is not known"):
            weights = await self._weights(alias)
            versions = {version.id: version for version in await self.admin.versions()}
        version = max(weights, key=weights.__getitem__)
        return Live(version, versions[version].path, weights)

    async def register(self, version: str, adapter: Path, lineage: Mapping[str, Any]) -> Registered:
        """Make the adapter a version, child of the one that was live; again changes nothing."""
        async with translated(f"{version} was not registered"):
            known = await self.admin.register(adapter, version, str(lineage["parent"]), lineage)
        return Registered(known.id)

    async def stage(self, version: str) -> Staged:
        """Have every engine load it and answer a probe."""
        async with translated(f"{version} was not staged; traffic is as it was"):
            staged = await self.admin.stage(version)
        return Staged(version, staged.seconds, {"probe": staged.probe})

    async def flip(self, alias: str, version: str, evidence: Mapping[str, Any]) -> Flipped:
        """Give it all of the alias's traffic, have it answer once more, and take it back if it does not."""
        cause = f"retraining {evidence.get('retraining', '')} passed its gate"
        try:
            flipped = await self._put(alias, version, cause, evidence)
        except AdminFailed as error:
            raise RolloutFailed(f"{alias} was not given to {version}: {error}") from error
        try:
            await self.admin.stage(version)
        except AdminFailed as error:
            raise RolloutFailed(await self._taken_back(alias, flipped, error)) from error
        return flipped

    async def drain(self, old: Live) -> Drained:
        """Retire what nothing leads to any more, but for the version that was live: a rollback needs it."""
        async with translated("versions could not be listed"):
            versions = await self.admin.versions()
        notes = [await self._retired(version) for version in spare_versions(versions, old.version)]
        return Drained(old.version, f"{old.version} stays loaded for a rollback{''.join(notes)}")

    async def _put(self, alias: str, version: str, cause: str, evidence: Mapping[str, Any]) -> Flipped:
        """The change of weights; one that was made before a kill, or before an answer got lost, is found."""
        wanted = {version: 1.0}
        if await self._weights(alias) == wanted:
            return await self._made(alias, version)
        try:
            rollout = await self.admin.roll_out(alias, wanted, cause, evidence)
        except AdminUnavailable:
            if await self._weights(alias) != wanted:
                raise
            return await self._made(alias, version)
        return Flipped(alias, rollout.before, rollout.after, rollout.seconds)

    async def _made(self, alias: str, version: str) -> Flipped:
        """The rollout that put the version in force, as the audit trail has it."""
        for change in await self.admin.transitions():
            if change.get("subject") == alias and change.get("after") == {version: 1.0}:
                return Flipped(alias, dict(change.get("before") or {}), {version: 1.0}, 0.0)
        return Flipped(alias, {}, {version: 1.0}, 0.0)

    async def _taken_back(self, alias: str, flipped: Flipped, error: AdminFailed) -> str:
        """Restore the weights from before; what became of that, in a sentence."""
        told = f"{', '.join(flipped.after)} did not answer once it was live ({error})"
        if not flipped.before:
            return f"{told}; the weights from before are not known, so nothing was rolled back"
        cause = "the new version did not answer once it was live"
        try:
            await self.admin.roll_out(alias, flipped.before, cause)
        except AdminFailed as failure:
            return f"{told}; ROLLING BACK FAILED TOO ({failure}): {alias} still leads to it, act by hand"
        return f"{told}; rolled back to {', '.join(flipped.before)}"

    async def _retired(self, version: str) -> str:
        try:
            await self.admin.retire(version)
        except AdminFailed as error:
            return f"; {version} was not retired: {error}"
        return f"; {version} is retired"

    async def _weights(self, alias: str) -> dict[str, float]:
        weights = (await self.admin.rollouts()).get(alias)
        if not weights:
            raise AdminFailed(f"the gateway has no alias {alias!r}; set `alias` to one that it has")
        return weights


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """The admin API's errors as RolloutFailed, with what was being done."""
    try:
        yield
    except AdminFailed as error:
        raise RolloutFailed(f"{what}: {error}") from error


def spare_versions(versions: list[Version], kept: str) -> list[str]:
    """Loaded versions that no alias leads to, but for one that is kept."""
    idle = (each for each in versions if each.path and each.state == "staged" and not each.weights)
    return [each.id for each in idle if each.id != kept]
