"""Retrainings in the ledger: one at a time, step by step, so that a killed worker's run is gone on with.

A run belongs to the worker that holds its lease. Every write checks that it still does, in the same
transaction, so that a worker that slept past its lease cannot write into a run that another has taken over.

RunRefused          this worker may not run now
├── RunUnderWay     another worker holds the lease
└── LeaseLost       another worker took the run over
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.progress import Progress
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, TransitionRow


class RunRefused(Exception):
    """This worker may not run now."""


class RunUnderWay(RunRefused):
    """Another worker holds the lease."""


class LeaseLost(RunRefused):
    """Another worker took the run over."""


class Told(Protocol):
    """What a step leaves behind: a dataclass that JSON can hold, and one line about it for people."""

    @property
    def told(self) -> str:
        """One line for people."""
        ...


T = TypeVar("T", bound=Told)


@dataclass(frozen=True, slots=True)
class Worker:
    """Who runs, and for how long a sign of life is good."""

    name: str
    lease_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """One retraining that this worker holds."""

    id: str
    parameters: dict[str, Any]
    resumed: bool
    worker: Worker
    database: Database
    progress: Progress

    async def once(self, step: str, kind: type[T], work: Callable[[], Awaitable[T]]) -> T:
        """The step's result: remembered where it was done before, worked out and remembered where not."""
        result: TypeAdapter[T] = TypeAdapter(kind)
        remembered = await self._remembered(step)
        if remembered is not None:
            found = result.validate_python(remembered)
            self.progress.ended(step, found.told, again=True)
            return found
        self.progress.began(step)
        await self._step(step, "started", {})
        try:
            found = await work()
        except Exception as error:
            await self._step(step, "failed", {"error": f"{type(error).__name__}: {error}"})
            raise
        await self._step(step, "done", result.dump_python(found, mode="json"), told=found.told)
        self.progress.ended(step, found.told)
        return found

    async def renew(self) -> None:
        """Show a sign of life; raises LeaseLost when it comes too late."""
        async with self.database.write() as connection:
            await self._hold(connection)

    async def release(self) -> None:
        """Stop in the middle: the next worker need not wait for the lease to run out."""
        async with self.database.write() as connection:
            await self._hold(connection, until=datetime.now(UTC))

    async def end(self, state: str, reasons: tuple[str, ...]) -> None:
        """The run is over: promoted, kept or failed, and why."""
        async with self.database.write() as connection:
            await self._hold(connection)
            await close_run(connection, self.id, state, reasons, self.worker.name)

    async def _remembered(self, step: str) -> dict[str, Any] | None:
        row = RetrainingStepRow
        async with self.database.read() as connection:
            query = select(row.evidence).where(
                row.retraining_id == self.id, row.step == step, row.state == "done"
            )
            found: dict[str, Any] | None = (await connection.execute(query)).scalar_one_or_none()
        return found

    async def _step(self, step: str, state: str, evidence: dict[str, Any], told: str = "") -> None:
        row, now = RetrainingStepRow, datetime.now(UTC)
        here = (row.retraining_id == self.id, row.step == step)
        async with self.database.write() as connection:
            await self._hold(connection)
            before = (await connection.execute(select(row.state).where(*here))).scalar_one_or_none()
            values = {"state": state, "evidence": evidence, "ended_at": None if state == "started" else now}
            if before is None:
                made = {"retraining_id": self.id, "step": step, "started_at": now}
                await connection.execute(insert(row).values(**made, **values))
            else:
                again = {"started_at": now} if state == "started" else {}
                await connection.execute(update(row).where(*here).values(**values, **again))
            moved = ({"step": step, "state": before}, {"step": step, "state": state})
            change = Change(*moved, told or f"{step} {state}", evidence)
            await note(connection, self.id, change, self.worker.name)

    async def _hold(self, connection: AsyncConnection, until: datetime | None = None) -> None:
        row, lease = RetrainingRow, timedelta(seconds=self.worker.lease_seconds)
        mine = (row.id == self.id, row.owner == self.worker.name, row.running == 1)
        held = update(row).where(*mine).values(lease_until=until or datetime.now(UTC) + lease)
        if (await connection.execute(held)).rowcount != 1:
            raise LeaseLost(f"run {self.id} is no longer this worker's; another one goes on with it")


@dataclass(frozen=True, slots=True)
class Change:
    """From what to what, and why."""

    before: dict[str, Any]
    after: dict[str, Any]
    cause: str
    evidence: dict[str, Any] = field(default_factory=dict)


async def claim(
    database: Database, worker: Worker, parameters: dict[str, Any], *, fresh: bool = False, progress: Progress
) -> Run:
    """The unfinished run, with the parameters it began with, or a new one; raises RunUnderWay.

    With `fresh`, an unfinished run that nobody works on is abandoned.
    """
    async with database.write() as connection:
        found = await unfinished(connection)
        if found is not None:
            refuse_if_held(found, worker)
            if not fresh:
                await take_over(connection, found, worker)
                return Run(found.id, found.parameters, True, worker, database, progress)  # noqa: FBT003
            await close_run(connection, found.id, "abandoned", ("a new run was asked for",), worker.name)
        run = Run(new_id(), parameters, False, worker, database, progress)  # noqa: FBT003
        await open_run(connection, run)
        return run


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The run under way, and until when its worker is believed to live."""

    id: str
    parameters: dict[str, Any]
    owner: str | None
    lease_until: datetime | None


async def unfinished(connection: AsyncConnection) -> Unfinished | None:
    """The run under way, if any; the database allows one."""
    row = RetrainingRow
    query = select(row.id, row.parameters, row.owner, row.lease_until).where(row.running == 1)
    found = (await connection.execute(query)).one_or_none()
    return Unfinished(*found) if found is not None else None


def refuse_if_held(found: Unfinished, worker: Worker) -> None:
    """Raise RunUnderWay while another worker shows signs of life."""
    if found.owner != worker.name and found.lease_until and found.lease_until > datetime.now(UTC):
        seconds = (found.lease_until - datetime.now(UTC)).total_seconds()
        raise RunUnderWay(
            f"run {found.id} is under way, held by {found.owner}; "
            f"if that worker is dead, its run can be taken over in {seconds:.0f} s"
        )


async def take_over(connection: AsyncConnection, found: Unfinished, worker: Worker) -> None:
    """Make the run this worker's, and note from whom."""
    lease = datetime.now(UTC) + timedelta(seconds=worker.lease_seconds)
    held = {"owner": worker.name, "lease_until": lease}
    await connection.execute(update(RetrainingRow).where(RetrainingRow.id == found.id).values(**held))
    change = Change({"owner": found.owner}, {"owner": worker.name}, "unfinished run taken over")
    await note(connection, found.id, change, worker.name)


async def open_run(connection: AsyncConnection, run: Run) -> None:
    """Write a new run down."""
    now = datetime.now(UTC)
    values = {
        "id": run.id,
        "state": "running",
        "running": 1,
        "parameters": run.parameters,
        "reasons": [],
        "owner": run.worker.name,
        "lease_until": now + timedelta(seconds=run.worker.lease_seconds),
        "created_at": now,
    }
    await connection.execute(insert(RetrainingRow).values(**values))
    await note(connection, run.id, Change({}, {"state": "running"}, "a run was asked for"), run.worker.name)


async def close_run(
    connection: AsyncConnection, run_id: str, state: str, reasons: tuple[str, ...], actor: str
) -> None:
    """Write down how a run ended."""
    ended = {"state": state, "running": None, "reasons": list(reasons), "ended_at": datetime.now(UTC)}
    await connection.execute(update(RetrainingRow).where(RetrainingRow.id == run_id).values(**ended))
    change = Change({"state": "running"}, {"state": state}, "; ".join(reasons) or state)
    await note(connection, run_id, change, actor)


async def note(connection: AsyncConnection, run_id: str, change: Change, actor: str) -> None:
    """Add a transition to the audit trail."""
    values = {
        "kind": "retraining",
        "subject": run_id,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
        "actor": actor,
        "evidence": change.evidence,
        "created_at": datetime.now(UTC),
    }
    await connection.execute(insert(TransitionRow).values(**values))


def new_id() -> str:
    """A run's id: when it began, for people, and what makes it unique."""
    return f"rt-{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
