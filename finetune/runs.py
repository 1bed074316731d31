"""Retrainings in the ledger: one at a time, step by step, so that a killed worker's run is gone on with.

A run belongs to the worker that holds its lease. Every write checks that it still does, in the same
transaction, so that a worker that slept past its lease cannot write into a run that another has taken over.
"""

import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.errors import LeaseLost
from finetune.patience import while_away
from finetune.progress import Progress
from finetune.trail import Change, close_run, note
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow


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


def this_worker(lease_seconds: float) -> Worker:
    """A worker of this process, named so that people can find it."""
    return Worker(f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}", lease_seconds)


@dataclass(frozen=True, slots=True)
class Run:
    """One retraining that this worker holds."""

    id: str
    parameters: dict[str, Any]
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

    async def has_done(self, step: str) -> bool:
        """Whether a step's result is remembered."""
        return await self._remembered(step) is not None

    async def undo(self, step: str, why: str) -> None:
        """What a step did no longer holds: whoever goes on with the run does it again."""
        await self._step(step, "undone", {"why": why}, told=why)

    async def renew(self) -> None:
        """Show a sign of life; raises LeaseLost when it comes too late."""
        await self._write(self._hold)

    async def release(self) -> None:
        """Stop in the middle: the next worker need not wait for the lease to run out."""
        async with self.database.write() as connection:
            await self._hold(connection, until=datetime.now(UTC))

    async def end(self, state: str, reasons: tuple[str, ...]) -> None:
        """The run is over: promoted, kept or failed, and why."""

        async def close(connection: AsyncConnection) -> None:
            await self._hold(connection)
            await close_run(connection, self.id, state, reasons, self.worker.name)

        await self._write(close)

    async def _write(self, change: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """One transaction; a database that is away is waited for as long as a lease lasts."""

        async def written() -> None:
            async with self.database.write() as connection:
                await change(connection)

        await while_away(written, self.worker.lease_seconds)

    async def _remembered(self, step: str) -> dict[str, Any] | None:
        row = RetrainingStepRow
        here = (row.retraining_id == self.id, row.step == step, row.state == "done")

        async def read() -> dict[str, Any] | None:
            async with self.database.read() as connection:
                return (await connection.execute(select(row.evidence).where(*here))).scalar_one_or_none()

        return await while_away(read, self.worker.lease_seconds)

    async def _step(self, step: str, state: str, evidence: dict[str, Any], told: str = "") -> None:
        row, now = RetrainingStepRow, datetime.now(UTC)
        here = (row.retraining_id == self.id, row.step == step)

        async def change(connection: AsyncConnection) -> None:
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
            entry = Change(*moved, told or f"{step} {state}", evidence)
            await note(connection, self.id, entry, self.worker.name)

        await self._write(change)

    async def _hold(self, connection: AsyncConnection, until: datetime | None = None) -> None:
        row, lease = RetrainingRow, timedelta(seconds=self.worker.lease_seconds)
        mine = (row.id == self.id, row.owner == self.worker.name, row.running == 1)
        held = update(row).where(*mine).values(lease_until=until or datetime.now(UTC) + lease)
        if (await connection.execute(held)).rowcount != 1:
            raise LeaseLost(f"run {self.id} is no longer this worker's; another one goes on with it")
