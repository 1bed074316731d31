"""Who may run: the unfinished run is gone on with, or a new one begun, by one worker at a time."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.errors import NothingToResume, RunUnderWay
from finetune.progress import Progress
from finetune.runs import Run, Worker
from finetune.trail import Change, close_run, close_steps, note
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow

# "either" goes on with an unfinished run or begins one; "resume" takes up a failed one too; "new" begins one.
How = Literal["either", "resume", "new"]


@dataclass(frozen=True, slots=True)
class Left:
    """A run that an earlier worker left: unfinished, or failed."""

    id: str
    parameters: dict[str, Any]
    state: str
    owner: str | None
    lease_until: datetime | None


async def claim(
    database: Database, worker: Worker, parameters: dict[str, Any], progress: Progress, how: How = "either"
) -> Run:
    """The run that this worker now holds, with the parameters it began with; raises RunRefused.

    With `new`, an unfinished run that nobody works on is abandoned.
    """
    async with database.write() as connection:
        alias = alias_of(parameters)
        found = await unfinished(connection, alias)
        if found is not None:
            refuse_if_held(found, worker)
        if how == "resume" and found is None:
            found = await failed_last(connection, alias)
        if found is not None and how != "new":
            await take_over(connection, found, worker)
            return Run(found.id, found.parameters, worker, database, progress)
        if found is not None:
            await close_run(connection, found.id, "abandoned", ("a new run was asked for",), worker.name)
        run = Run(new_id(), parameters, worker, database, progress)
        await open_run(connection, run)
        return run


async def left_for(connection: AsyncConnection, alias: str, how: How) -> Left | None:
    """The run that a claim would go on with; None where it would begin one. Raises NothingToResume."""
    if how == "new":
        return None
    found = await unfinished(connection, alias)
    return await failed_last(connection, alias) if found is None and how == "resume" else found


async def trained_in(connection: AsyncConnection, run_id: str) -> bool:
    """Whether a run's training is done."""
    row = RetrainingStepRow
    done = select(row.step).where(row.retraining_id == run_id, row.step == "train", row.state == "done")
    return await connection.scalar(done) is not None


def alias_of(parameters: dict[str, Any]) -> str:
    """Whose policy model a plan retrains."""
    return str(parameters.get("alias", "assistant"))


async def unfinished(connection: AsyncConnection, alias: str) -> Left | None:
    """An alias's run under way, if any; the database allows one."""
    here = (RetrainingRow.running == 1, RetrainingRow.alias == alias)
    found = (await connection.execute(left().where(*here))).one_or_none()
    return Left(*found) if found is not None else None


async def failed_last(connection: AsyncConnection, alias: str) -> Left:
    """The latest run, which must have failed; raises NothingToResume."""
    found = await latest(connection, alias)
    if found is None or found.state != "failed":
        state = f"the last one was {found.state}" if found is not None else "there was none yet"
        raise NothingToResume(f"no run to go on with: {state}; leave --resume out to begin one")
    return found


async def latest(connection: AsyncConnection, alias: str) -> Left | None:
    """The run of an alias that was begun last."""
    newest = (
        left()
        .where(RetrainingRow.alias == alias)
        .order_by(RetrainingRow.created_at.desc(), RetrainingRow.id.desc())
        .limit(1)
    )
    found = (await connection.execute(newest)).one_or_none()
    return Left(*found) if found is not None else None


def left() -> Any:
    """The columns of a run that was left."""
    row = RetrainingRow
    return select(row.id, row.parameters, row.state, row.owner, row.lease_until)


def refuse_if_held(found: Left, worker: Worker) -> None:
    """Raise RunUnderWay while another worker shows signs of life."""
    if found.owner != worker.name and found.lease_until and found.lease_until > datetime.now(UTC):
        seconds = (found.lease_until - datetime.now(UTC)).total_seconds()
        raise RunUnderWay(
            f"run {found.id} is under way, held by {found.owner}; "
            f"if that worker is dead, its run can be taken over in {seconds:.0f} s"
        )


async def take_over(connection: AsyncConnection, found: Left, worker: Worker) -> None:
    """Make the run this worker's and running again, and note from whom; what that one left is over."""
    await close_steps(connection, found.id, worker.name)
    lease = datetime.now(UTC) + timedelta(seconds=worker.lease_seconds)
    held = {"owner": worker.name, "lease_until": lease, "state": "running", "running": 1}
    again = held | {"reasons": [], "ended_at": None}
    await connection.execute(update(RetrainingRow).where(RetrainingRow.id == found.id).values(**again))
    moved = ({"owner": found.owner, "state": found.state}, {"owner": worker.name, "state": "running"})
    await note(connection, found.id, Change(*moved, f"{found.state} run taken up again"), worker.name)


async def open_run(connection: AsyncConnection, run: Run) -> None:
    """Write a new run down."""
    now = datetime.now(UTC)
    values = {
        "id": run.id,
        "alias": alias_of(run.parameters),
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


def new_id() -> str:
    """A run's id: when it began, for people, and what makes it unique."""
    return f"rt-{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
