"""Rollouts in the ledger: one an alias at a time, moved by whoever holds its lease, each move written down.

Every write checks the lease in its own transaction, so that a worker that slept past it cannot act on what another
has taken over.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.errors import LeaseLost, RolloutFailed, Unready
from finetune.rollout.contract import Live, Opened
from finetune.rollout.machine import Move, Standing
from finetune.rollout.plan import RolloutRules, read_rules, told_rules
from finetune.runs import Worker
from gateway.admin.trail import Change, note
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import RolloutRow
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow

KIND = "rollout_step"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One version's way into one alias's traffic."""

    id: str
    alias: str
    version: str
    baseline: str
    state: str
    share: float
    rules: RolloutRules
    moving: Move | None
    asked: Move | None
    paused: bool
    owner: str | None
    lease_until: datetime | None
    reasons: tuple[str, ...]
    retraining_id: str | None
    created_at: datetime
    moved_at: datetime
    ended_at: datetime | None

    @property
    def under_way(self) -> str:
        """That it has not ended, in words."""
        return f"rollout {self.id} of {self.version} is under way"

    def weights(self, state: str, share: float) -> dict[str, float]:
        """The alias's weights that belong to a state."""
        if state == "live":
            return {self.version: 1.0}
        if state == "canary":
            return {self.baseline: round(1.0 - share, 9), self.version: share}
        return {self.baseline: 1.0}

    def standing(self, pairs: int, paused: timedelta = timedelta()) -> Standing:
        """Where it stands, as decisions see it."""
        return Standing(self.state, self.share, self.created_at, pairs, paused)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Book:
    """The rollouts of a database, on behalf of one worker."""

    database: Database
    worker: Worker

    async def begin(
        self, alias: str, version: str, baseline: str, rules: RolloutRules, retraining: str | None
    ) -> Rollout:
        """Open a rollout; the one that a retraining has opened before is found. Raises RolloutFailed."""
        async with self.database.write() as connection:
            for known in await rollouts_in(connection, RolloutRow.alias == alias):
                if known.version == version and retraining and known.retraining_id == retraining:
                    return known
                if known.ended_at is None:
                    told = f"{known.under_way}; end it first"
                    raise RolloutFailed(f"{alias} can take one new version at a time: {told}")
            values = opened(alias, version, baseline, rules, retraining)
            await connection.execute(insert(RolloutRow).values(**values))
            change = Change(KIND, values["id"], {}, {"state": "staged"}, f"{version} is to come into {alias}")
            await note(connection, change, self.worker.name)
            return (await rollouts_in(connection, RolloutRow.id == values["id"]))[0]

    async def open(self, alias: str, version: str, old: Live, rules: RolloutRules, retraining: str) -> Opened:
        """Begin the rollout of what a retraining made."""
        if old.weights != {old.version: 1.0}:
            told = ", ".join(f"{name} {share:g}" for name, share in old.weights.items())
            raise RolloutFailed(f"{alias} leads to {told}: a rollout begins from one version alone")
        begun = await self.begin(alias, version, old.version, rules, retraining)
        return Opened(begun.id, version)

    async def begun_by(self, retraining: str) -> bool:
        """Whether a retraining has begun one."""
        async with self.database.read() as connection:
            return bool(await rollouts_in(connection, RolloutRow.retraining_id == retraining))

    async def running(self) -> list[Rollout]:
        """Those under way, the oldest first."""
        async with self.database.read() as connection:
            return await rollouts_in(connection, RolloutRow.running == 1)

    async def under_way(self, alias: str) -> str | None:
        """The rollout that an alias is in, in words; None while there is none."""
        return next((each.under_way for each in await self.running() if each.alias == alias), None)

    async def needed(self, but: str | None = None) -> set[str]:
        """The versions of all rollouts under way, and those that retrainings under way are about to bring in.

        Without what the retraining `but` was about to bring in: it ends now, or has ended where its rollout does.
        """
        run, step = RetrainingRow, RetrainingStepRow
        coming = select(step.evidence).join(run, run.id == step.retraining_id)
        coming = coming.where(run.running == 1, step.step == "register", step.state == "done")
        if but is not None:
            coming = coming.where(run.id != but)
        async with self.database.read() as connection:
            found = {str(told["version"]) for told in await connection.scalars(coming)}
            for each in await rollouts_in(connection, RolloutRow.running == 1):
                found |= {each.version, each.baseline}
        return found

    async def get(self, rollout_id: str) -> Rollout:
        """One of them; raises Unready where there is none of that name."""
        async with self.database.read() as connection:
            found = await rollouts_in(connection, RolloutRow.id == rollout_id)
        if not found:
            raise Unready(
                f"there is no rollout {rollout_id[:80]!r}; `trimtab finetune rollout list` shows them"
            )
        return found[0]

    async def latest(self, limit: int = 20) -> list[Rollout]:
        """The latest of all, the latest first."""
        async with self.database.read() as connection:
            return (await rollouts_in(connection))[::-1][:limit]

    async def take(self, rollout: Rollout) -> bool:
        """Take the lease, where nobody else holds it."""
        now = datetime.now(UTC)
        free = or_(
            RolloutRow.owner.is_(None),
            RolloutRow.owner == self.worker.name,
            RolloutRow.lease_until < now,
        )
        lease = {"owner": self.worker.name, "lease_until": now + timedelta(seconds=self.worker.lease_seconds)}
        mine = update(RolloutRow).where(RolloutRow.id == rollout.id, RolloutRow.running == 1, free)
        async with self.database.write() as connection:
            return (await connection.execute(mine.values(**lease))).rowcount == 1

    async def release(self, rollout: Rollout) -> None:
        """Let others have it at once."""
        async with self.database.write() as connection:
            mine = update(RolloutRow).where(RolloutRow.id == rollout.id, RolloutRow.owner == self.worker.name)
            await connection.execute(mine.values(owner=None, lease_until=None))

    async def intend(self, rollout: Rollout, move: Move) -> None:
        """Write down where it is about to be moved, before traffic is."""
        told = {"state": move.state, "share": move.share, "why": move.why}
        async with self.database.write() as connection:
            await hold(connection, rollout, self.worker, {"moving": told})

    async def settle(self, rollout: Rollout, move: Move, evidence: Mapping[str, Any]) -> None:
        """It has been moved: the state, the trail and the end in one transaction.

        What was asked for since this move began waits for the next look, as long as there is one. Of a rollout that
        this ends a rollback alone still counts, and only where it has gone live; else it is told that it came too late.
        """
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "state": move.state,
            "share": move.share,
            "moving": None,
            "moved_at": now,
            "reasons": [*rollout.reasons, move.why],
        }
        before = {"state": rollout.state, "share": rollout.share}
        after = {"state": move.state, "share": move.share}
        async with self.database.write() as connection:
            values |= after_it(rollout, move, await asked_in(connection, rollout))
            await hold(connection, rollout, self.worker, values)
            change = Change(KIND, rollout.id, before, after, move.why, dict(evidence))
            await note(connection, change, self.worker.name)

    async def ask(self, rollout: Rollout, move: Move, actor: str) -> None:
        """Have it moved by hand: whoever holds it does so at the next look, whatever evidence says."""
        told = {"state": move.state, "share": move.share, "why": f"{move.why} (by {actor})"}
        async with self.database.write() as connection:
            here = update(RolloutRow).where(RolloutRow.id == rollout.id, RolloutRow.running == 1)
            if (await connection.execute(here.values(asked=told))).rowcount != 1:
                raise RolloutFailed(f"{rollout.id} is over: {rollout.state}")

    async def pause(self, rollout: Rollout, actor: str, *, paused: bool) -> None:
        """Let it stand where it is, or go on; an alarm still rolls it back. The trail tells for how long it stood."""
        async with self.database.write() as connection:
            here = update(RolloutRow).where(RolloutRow.id == rollout.id, RolloutRow.running == 1)
            if (await connection.execute(here.values(paused=paused))).rowcount != 1:
                raise RolloutFailed(f"{rollout.id} is over: {rollout.state}")
            change = Change(KIND, rollout.id, {"paused": rollout.paused}, {"paused": paused}, "by hand")
            await note(connection, change, actor)


async def hold(
    connection: AsyncConnection, rollout: Rollout, worker: Worker, values: Mapping[str, Any]
) -> None:
    """Change a rollout that this worker holds, and renew its lease; raises LeaseLost."""
    until = datetime.now(UTC) + timedelta(seconds=worker.lease_seconds)
    mine = (RolloutRow.id == rollout.id, RolloutRow.owner == worker.name, RolloutRow.running == 1)
    held = update(RolloutRow).where(*mine).values(**values, lease_until=until)
    if (await connection.execute(held)).rowcount != 1:
        raise LeaseLost(f"rollout {rollout.id} is no longer this worker's")


def after_it(rollout: Rollout, move: Move, asked: Move | None) -> dict[str, Any]:
    """Whether a rollout ends with a move, and what becomes of what is asked for by the time it is made."""
    since = None if asked == rollout.asked else asked
    undone = since is not None and (move.state, since.state) == ("live", "rolled_back")
    if move.ends and not undone:
        late = [f"asked too late: {since.why}"] if since is not None and since.state != move.state else []
        now = datetime.now(UTC)
        reasons = [*rollout.reasons, move.why, *late]
        return {"running": None, "ended_at": now, "asked": None, "reasons": reasons}
    return {"asked": None} if since is None else {}


async def asked_in(connection: AsyncConnection, rollout: Rollout) -> Move | None:
    """What is asked for by hand now; transactions that write come one after the other."""
    asked = select(RolloutRow.asked).where(RolloutRow.id == rollout.id)
    told = (await connection.execute(asked)).scalar_one()
    return Move(**told) if told else None


async def rollouts_in(connection: AsyncConnection, *where: Any) -> list[Rollout]:
    """Rollouts, oldest first, within a transaction."""
    query = select(*RolloutRow.__table__.columns).where(*where).order_by(RolloutRow.created_at, RolloutRow.id)
    return [rollout_of(row) for row in (await connection.execute(query)).mappings()]


def rollout_of(row: Mapping[Any, Any]) -> Rollout:
    """The rollout of a row."""
    read = ("rules", "moving", "asked", "paused", "reasons")
    told = {name: row[name] for name in Rollout.__slots__ if name not in read}
    reasons: Sequence[str] = row["reasons"]
    return Rollout(
        **told,
        rules=read_rules(row["plan"]),
        moving=Move(**row["moving"]) if row["moving"] else None,
        asked=Move(**row["asked"]) if row["asked"] else None,
        paused=bool(row["paused"]),
        reasons=tuple(reasons),
    )


def opened(
    alias: str, version: str, baseline: str, rules: RolloutRules, retraining: str | None
) -> dict[str, Any]:
    """The row of a new rollout."""
    now = datetime.now(UTC)
    return {
        "id": f"ro-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}",
        "alias": alias,
        "version": version,
        "baseline": baseline,
        "state": "staged",
        "share": 0.0,
        "plan": told_rules(rules),
        "reasons": [],
        "retraining_id": retraining,
        "running": 1,
        "created_at": now,
        "moved_at": now,
    }
