"""Engines that operators have taken out: written in the audit trail alone, of which the latest word holds.

So a drain outlives a restart of the gateway, and reaches its other processes within a second.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.trail import Change, note
from gateway.errors import Conflict
from gateway.ledger.database import Database
from gateway.ledger.tables import TransitionRow
from gateway.tools import Tools

KIND = "engine"


async def drained_in(connection: AsyncConnection, names: Collection[str]) -> set[str]:
    """Which of these engines were taken out and not brought back."""
    latest = await latest_in(connection, names)
    return {name for name, after in latest.items() if after.get("draining")}


async def latest_in(connection: AsyncConnection, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """The latest word on each of these engines of which there is any."""
    this = (TransitionRow.kind == KIND, TransitionRow.subject.in_(names))
    latest = select(func.max(TransitionRow.id)).where(*this).group_by(TransitionRow.subject)
    query = select(TransitionRow.subject, TransitionRow.after).where(TransitionRow.id.in_(latest))
    return {row.subject: row.after for row in await connection.execute(query)}


async def follow_drains(tools: Tools, database: Database) -> None:
    """Take out of choice what the ledger says, and nothing else."""
    async with database.read() as connection:
        drained = await drained_in(connection, [each.name for each in tools.engine.replicas])
    for replica in tools.engine.replicas:
        (tools.engine.drain if replica.name in drained else tools.engine.resume)(replica.name)


async def put(
    tools: Tools, database: Database, change: Change, actor: str, *, allow_empty: bool = False
) -> None:
    """Drain an engine or bring it back, unless that is so; raises Conflict when no other takes requests."""
    names = [each.name for each in tools.engine.replicas]
    async with tools.changing:
        async with database.write() as connection:
            drained = await drained_in(connection, names)
            draining = bool(change.after["draining"])
            if draining and not allow_empty and not set(names) - drained - {change.subject}:
                told = f"{change.subject} is the last engine that takes requests; resume another first"
                raise Conflict(told, param="name", code="last_engine")
            if draining != (change.subject in drained) or "lent_to" in change.after:
                await note(connection, change, actor)
        await follow_drains(tools, database)
