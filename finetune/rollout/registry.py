"""Brings versions into traffic through the gateway's admin API; its errors are translated here, once."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import FinetuneFailed, FlipUndone, LeaseLost, RolloutFailed, Unready
from finetune.patience import while_away
from finetune.rollout.contract import Drained, Flipped, Live, Registered, Staged
from gateway.admin.client import AdminClient, AdminFailed, AdminRefused, AdminUnavailable, Version
from gateway.admin.rollouts import TOOK_BACK, standing
from gateway.artifacts.fetching import ARTIFACT
from gateway.artifacts.store import ArtifactsFailed, ArtifactStore
from gateway.errors import BadRequest


@dataclass(frozen=True, slots=True)
class GatewayRegistry:
    """One gateway's versions and aliases; the store is how their files come to it, and from it."""

    admin: AdminClient
    store: ArtifactStore | None = None  # without one, paths here mean the same to the gateway
    allow_gap: bool = False  # whether nobody may answer while the only engine gets other full weights
    patience_seconds: float = 0.0  # that a gateway which is away is waited for, as a retraining's step begins

    async def live(self, alias: str) -> Live:
        """The version that has most of the alias's traffic; raises RolloutFailed."""
        await self._there()
        async with translated("the live version is not known"):
            weights = await self._weights(alias)
            versions = {version.id: version for version in await self.admin.versions()}
        version = max(weights, key=weights.__getitem__)
        return Live(version, await self._here(versions[version]), weights)

    async def at(self, folder: Path) -> Live:
        """The version whose files lie in a folder; raises RolloutFailed, or Unready where it is none."""
        async with translated("versions could not be listed"):
            versions = await self.admin.versions()
        for version in versions:
            if version.path == folder:
                return Live(version.id, version.path, {})
        raise Unready(f"--last: the gateway knows no version in {folder}; its children could not name it")

    async def register(self, version: str, adapter: Path, lineage: Mapping[str, Any]) -> Registered:
        """Make the adapter a version, child of the one that was live; again changes nothing."""
        await self._there()
        async with translated(f"{version} was not registered"):
            place = await asyncio.to_thread(self.store.keep, adapter) if self.store else adapter
            known = await self.admin.register(place, version, str(lineage["parent"]), lineage)
        return Registered(known.id)

    async def stage(self, version: str) -> Staged:
        """Have every engine load it and answer a probe."""
        await self._there()
        async with translated(f"{version} was not staged; traffic is as it was"):
            staged = await self.admin.stage(version)
        return Staged(version, staged.seconds, {"probe": staged.probe})

    async def ensure_staged(self, version: str) -> None:
        """Stage it again where it was unloaded since: nothing needs what a run that failed was to bring in.

        Not where it is loaded: one that fell silent in traffic would not be staged, and never be taken back.
        """
        async with translated("versions could not be listed"):
            versions = await self.admin.versions()
        if not any(each.id == version and each.state == "staged" for each in versions):
            await self.stage(version)

    async def flip(self, alias: str, version: str, old: Live, evidence: Mapping[str, Any]) -> Flipped:
        """Give it all of the alias's traffic, have it answer once more, and take it back if it does not.

        Raises FlipUndone when that was not to be, LeaseLost where the evidence names a worker that lost the run,
        and RolloutFailed when nobody knows how things stand.
        """
        await self._there()
        cause = f"retraining {evidence.get('retraining', '')} passed its gate"
        try:
            flipped = await self._put(alias, version, old, cause, evidence)
        except AdminFailed as error:
            raise failure(error, f"{alias} was not given to {version}: {error}") from error
        try:
            await self.admin.stage(version)
        except AdminFailed as error:
            raise await self._taken_back(flipped, error, evidence) from error
        return flipped

    async def weights(self, alias: str) -> dict[str, float]:
        """An alias's weights; raises RolloutFailed."""
        async with translated(f"the weights of {alias} are not known"):
            return await self._weights(alias)

    async def moves(self, alias: str) -> list[dict[str, Any]]:
        """An alias's rollouts and rollbacks, the latest first; raises RolloutFailed."""
        async with translated(f"the moves of {alias} are not known"):
            return await self.admin.transitions(alias)

    async def put(
        self,
        alias: str,
        weights: Mapping[str, float],
        cause: str,
        evidence: Mapping[str, Any],
        expected: Mapping[str, float],
    ) -> None:
        """Put weights in force in place of those that are expected.

        Raises FlipUndone where others are in force, LeaseLost where the evidence names a worker that lost the
        rollout, and RolloutFailed when nobody knows how things stand.
        """
        told, fence = (alias, dict(weights), cause, evidence), fence_of(evidence)
        try:
            await self.admin.roll_out(*told, expected=dict(expected), fence=fence, allow_gap=self.allow_gap)
        except AdminFailed as error:
            raise failure(error, f"{alias} was not moved: {error}") from error

    async def drain(self, old: Live, new: str, needed: Collection[str] = ()) -> Drained:
        """Retire what earlier retrainings left, but for what is needed, and what a rollback of any alias needs."""
        await self._there()
        spare = await self._spare({*old.weights, new, *needed})
        notes = [f"{old.version} stays loaded for a rollback"]
        for version in spare:
            try:
                notes.append(await self._retired(version))
            except AdminFailed as error:
                notes.append(f"{version} was not retired: {error}")
        return Drained(old.version, "; ".join(notes))

    async def discard(self, version: str, needed: Collection[str] = ()) -> Drained:
        """Retire what did not come into traffic to stay, where nothing needs it; raises RolloutFailed."""
        if version not in await self._spare(set(needed)):
            return Drained(version, f"{version} is needed elsewhere, or unloaded already")
        async with translated(f"{version} was not retired"):
            return Drained(version, await self._retired(version))

    async def _there(self) -> None:
        """Wait for a gateway that is away; what it then answers is told by whoever asks."""
        if self.patience_seconds > 0:
            with suppress(AdminFailed):
                await while_away(self.admin.rollouts, self.patience_seconds, AdminUnavailable)

    async def _spare(self, needed: set[str]) -> list[str]:
        """What is loaded for nothing: no alias leads to it, and none has it as the version before."""
        async with translated("versions could not be listed"):
            versions = await self.admin.versions()
            kept = set(needed)
            for alias, weights in (await self.admin.rollouts()).items():
                kept |= {*weights, *before(await self.admin.transitions(alias), weights)}
        return spare_versions(versions, kept)

    async def _here(self, version: Version) -> Path | None:
        """A version's files on this machine, which need not be the one that trained it."""
        if self.store is None or version.path is None or version.path.is_dir():
            return version.path
        async with translated(f"the files of {version.id} cannot be had here"):
            return await asyncio.to_thread(self.store.fetch, str(version.lineage.get(ARTIFACT)))

    async def _put(
        self, alias: str, version: str, old: Live, cause: str, evidence: Mapping[str, Any]
    ) -> Flipped:
        """The change of weights; one that was made before a kill, or before an answer got lost, is found."""
        wanted = {version: 1.0}
        made = Flipped(alias, dict(old.weights), wanted, 0.0)
        if await self._weights(alias) == wanted:
            return made
        if await self._given_before(alias, version, evidence):
            raise FlipUndone(f"{alias} was given to {version} before, and taken back since")
        await self.ensure_staged(version)
        try:
            told, fence = (alias, wanted, cause, evidence), fence_of(evidence)
            rollout = await self.admin.roll_out(
                *told, expected=old.weights, fence=fence, allow_gap=self.allow_gap
            )
        except AdminUnavailable:
            if await self._weights(alias) != wanted:
                raise
            return made
        return Flipped(alias, rollout.before, rollout.after, rollout.seconds)

    async def _given_before(self, alias: str, version: str, evidence: Mapping[str, Any]) -> bool:
        """Whether the trail holds this very retraining's flip: what undid it must not be overruled."""
        run, wanted = evidence.get("retraining"), {version: 1.0}
        return any(
            move.get("after") == wanted and (move.get("evidence") or {}).get("retraining") == run
            for move in await self.admin.transitions(alias)
        )

    async def _taken_back(
        self, flipped: Flipped, error: AdminFailed, evidence: Mapping[str, Any]
    ) -> FinetuneFailed:
        """Restore the weights from before; what became of that."""
        alias = flipped.alias
        told = f"{', '.join(flipped.after)} did not answer once it was live ({error})"
        cause = "the new version did not answer once it was live"
        why = {"retraining": evidence.get("retraining"), TOOK_BACK: list(flipped.after)}
        move = (alias, flipped.before, cause, why, flipped.after, fence_of(evidence))
        try:
            await self.admin.roll_out(*move, allow_gap=self.allow_gap)
        except AdminFailed as refused:
            known = failure(refused, f"{told}; {refused}")
            if isinstance(known, FlipUndone | LeaseLost):
                return known
            if isinstance(refused, AdminUnavailable) and await self._has(alias, flipped.before):
                return FlipUndone(f"{told}; rolled back to {', '.join(flipped.before)}")
            return RolloutFailed(
                f"{told}; ROLLING BACK FAILED TOO ({refused}): {alias} still leads to it, act by hand"
            )
        return FlipUndone(f"{told}; rolled back to {', '.join(flipped.before)}")

    async def _retired(self, version: str) -> str:
        """Retire it; how, in words.

        One whose requests in flight outlast the call is retired all the same: the gateway unloads it once they end.
        """
        try:
            await self.admin.retire(version)
        except AdminRefused as refused:
            if refused.code != "in_flight":
                raise
            return f"{version} is retired, and unloaded once its requests in flight have ended"
        return f"{version} is retired"

    async def _has(self, alias: str, weights: Mapping[str, float]) -> bool:
        """Whether these weights are known to be in force."""
        try:
            return await self._weights(alias) == weights
        except AdminFailed:
            return False

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
    except (AdminFailed, ArtifactsFailed, BadRequest) as error:
        raise RolloutFailed(f"{what}: {error}") from error


def failure(error: AdminFailed, told: str) -> FinetuneFailed:
    """What a refusal means: somebody else changed the weights, the lease is another worker's, or nobody knows."""
    code = error.code if isinstance(error, AdminRefused) else None
    return {"moved": FlipUndone, "lease_lost": LeaseLost}.get(str(code), RolloutFailed)(told)


def fence_of(evidence: Mapping[str, Any]) -> dict[str, str] | None:
    """Whose lease the gateway holds a move against: the worker's that the evidence names, if it names any."""
    kind = "rollout" if "rollout" in evidence else "retraining"
    if "worker" not in evidence or kind not in evidence:
        return None
    return {"kind": kind, "id": str(evidence[kind]), "worker": str(evidence["worker"])}


def before(moves: Iterable[Mapping[str, Any]], weights: Mapping[str, float]) -> list[str]:
    """The version that had all of an alias's traffic before those that have it now; moves come latest first.

    What was undone is passed over as the gateway's own rollback passes over it.
    """
    alone = (list(move["before"]) for move in standing(moves))
    return next((each for each in alone if len(each) == 1 and each[0] not in weights), [])


def spare_versions(versions: list[Version], kept: set[str]) -> list[str]:
    """What earlier retrainings left loaded and no alias leads to; what operators staged is theirs."""
    idle = (each for each in versions if each.path and each.state == "staged" and not each.weights)
    return [each.id for each in idle if each.id not in kept and "retraining" in each.lineage]
