"""Engines that give their GPU to a training: asleep while its run is alive, and woken whatever becomes of it.

A loan is a drain that names the retraining: it stands in the audit trail, so that every gateway leads requests around
the engine and any of them ends it. It holds as long as the run's lease does: no worker needs to be alive to end it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from gateway.admin.drains import KIND, latest_in, put
from gateway.admin.trail import Change
from gateway.engines.contract import EngineFailed
from gateway.engines.replica import Replica
from gateway.engines.sleeping import asleep, awake
from gateway.errors import ApiError, Conflict, UpstreamFailed
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow
from gateway.tools import Tools

EVERY_SECONDS, NOTICE_SECONDS = 5.0, 1.0  # the second: other gateways notice a drain within it
ACTOR = "gateway"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loan:
    """To which retraining, how deep the engine sleeps, and whether the alias may be without any engine."""

    retraining: str
    level: int
    allow_empty: bool
    timeout_seconds: float  # for requests in flight


async def lend(tools: Tools, database: Database, replica: Replica, loan: Loan, actor: str) -> None:
    """Drain an engine and put it to sleep; a failure leaves it awake, and taking requests.

    Raises Conflict when it is not managed, no other takes requests, or its requests do not end; UpstreamFailed.
    """
    if not replica.managed:
        told = f"{replica.name} is not managed: it cannot be put to sleep (engines[].managed)"
        raise Conflict(told, param="name", code="not_managed")
    if await alive(database, loan.retraining) is None:
        raise Conflict(
            f"there is no retraining {loan.retraining[:80]!r} under way", param="retraining", code="over"
        )
    after = {"draining": True, "lent_to": loan.retraining}
    change = Change(KIND, replica.name, {"draining": False}, after, f"lent to {loan.retraining}")
    await put(tools, database, change, actor, allow_empty=loan.allow_empty)
    try:
        await asyncio.sleep(NOTICE_SECONDS)
        if not await replica.idle(loan.timeout_seconds):
            raise Conflict(f"{replica.name} still answers requests", param="name", code="in_flight")
        await asleep(replica.engine, loan.level, loan.timeout_seconds)
    except EngineFailed as error:
        await asyncio.shield(give_back(tools, database, replica, "it could not be put to sleep", actor))
        raise UpstreamFailed(f"{replica.name} was not lent: {error}", code="sleep_failed") from error
    except BaseException:
        await asyncio.shield(give_back(tools, database, replica, "it was not put to sleep", actor))
        raise


async def give_back(tools: Tools, database: Database, replica: Replica, cause: str, actor: str) -> None:
    """Wake an engine, have it answer, and lead requests to it again; raises UpstreamFailed while it cannot."""
    try:
        await awake(replica.engine, tools.settings.base_model)
    except EngineFailed as error:
        raise UpstreamFailed(f"{replica.name} was not woken: {error}", code="wake_failed") from error
    change = Change(KIND, replica.name, {"draining": True}, {"draining": False}, cause)
    await put(tools, database, change, actor)


async def lent(tools: Tools, database: Database) -> dict[str, str]:
    """The engines that are lent, and to which retraining."""
    async with database.read() as connection:
        latest = await latest_in(connection, [each.name for each in tools.engine.replicas])
    return {name: str(after["lent_to"]) for name, after in latest.items() if after.get("lent_to")}


async def alive(database: Database, retraining: str) -> str | None:
    """The retraining, while it is under way and a worker holds it; None once nobody does."""
    row = RetrainingRow
    held = (row.id == retraining, row.running == 1, row.lease_until > datetime.now(UTC))
    async with database.read() as connection:
        found: str | None = await connection.scalar(select(func.max(row.id)).where(*held))
    return found


async def look(tools: Tools, database: Database) -> None:
    """Give back what is lent to a run that nobody holds any more; raises UpstreamFailed or LedgerFailed."""
    for name, retraining in (await lent(tools, database)).items():
        if await alive(database, retraining) is None:
            replica = tools.engine.replica(name)
            await give_back(tools, database, replica, f"{retraining} is over, or its worker is gone", ACTOR)
            log.warning("engine %s, which %s left asleep, is woken", name, retraining)


@asynccontextmanager
async def loans_watched(
    tools: Tools, database: Database, every_seconds: float = EVERY_SECONDS
) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that looks again and again, for as long as the block lasts."""
    task = asyncio.create_task(_keep_looking(tools, database, every_seconds), name="loans of engines")
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_looking(tools: Tools, database: Database, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await look(tools, database)
        except (ApiError, LedgerFailed) as error:
            log.warning("an engine that was lent cannot be given back yet: %s", error)
