"""Engines that operators have taken out: written in the audit trail alone, of which the latest word holds.

So a drain outlives a restart of the gateway, and reaches its other processes within a second.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.trail import Change, note
from gateway.errors import Conflict
from gateway.ledger.database import Database
from gateway.ledger.tables import TransitionRow
from gateway.tools import Tools

KIND = "engine"


@dataclass(frozen=True, slots=True)
class Word:
    """The latest that the trail says of an engine; `id` is the transition's, 0 where there is none."""

    id: int = 0
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def draining(self) -> bool:
        """Whether it is taken out, for whatever reason."""
        return bool(self.after.get("draining"))

    @property
    def lent_to(self) -> str | None:
        """The retraining that it is lent to, asleep."""
        return self.after.get("lent_to") or None

    @property
    def returning(self) -> str | None:
        """The retraining whose loan is over, while the engine was not woken yet."""
        return self.after.get("returning") or None


Rule = Callable[[AsyncConnection, Word], Awaitable[None]]  # raises Conflict where a change must not be made


async def anyhow(connection: AsyncConnection, word: Word) -> None:
    """The rule that allows everything."""


async def refuse_lent(connection: AsyncConnection, word: Word) -> None:
    """An operator's drain or resume would wake nobody: a lent engine is given back first."""
    if to := word.lent_to or word.returning:
        told = f"it is lent to {to} and may be asleep: POST /admin/engines/…/return wakes it first"
        raise Conflict(told, param="name", code="lent")


async def drained_in(connection: AsyncConnection, names: Collection[str]) -> set[str]:
    """Which of these engines were taken out and not brought back."""
    latest = await latest_in(connection, names)
    return {name for name, word in latest.items() if word.draining}


async def latest_in(connection: AsyncConnection, names: Collection[str]) -> dict[str, Word]:
    """The latest word on each of these engines of which there is any."""
    this = (TransitionRow.kind == KIND, TransitionRow.subject.in_(names))
    latest = select(func.max(TransitionRow.id)).where(*this).group_by(TransitionRow.subject)
    columns = (TransitionRow.id, TransitionRow.subject, TransitionRow.after)
    query = select(*columns).where(TransitionRow.id.in_(latest))
    return {row.subject: Word(row.id, row.after) for row in await connection.execute(query)}


async def word_on(database: Database, name: str) -> Word:
    """The latest word on one engine."""
    async with database.read() as connection:
        return (await latest_in(connection, [name])).get(name, Word())


async def follow_drains(tools: Tools, database: Database) -> None:
    """Take out of choice what the ledger says, and nothing else."""
    async with database.read() as connection:
        drained = await drained_in(connection, [each.name for each in tools.engine.replicas])
    for replica in tools.engine.replicas:
        (tools.engine.drain if replica.name in drained else tools.engine.resume)(replica.name)


async def put(
    tools: Tools,
    database: Database,
    change: Change,
    actor: str,
    *,
    allow_empty: bool = False,
    rule: Rule = anyhow,
) -> Word:
    """Drain an engine or bring it back, unless that is so; the word that holds then.

    Raises Conflict when no other takes requests, and what `rule` raises on the word before, in one transaction.
    """
    names = [each.name for each in tools.engine.replicas]
    async with tools.changing:
        async with database.write() as connection:
            words = await latest_in(connection, names)
            word = words.get(change.subject, Word())
            await rule(connection, word)
            others = {name for name in names if not words.get(name, Word()).draining} - {change.subject}
            if change.after["draining"] and not allow_empty and not others:
                told = f"{change.subject} is the last engine that takes requests; resume another first"
                raise Conflict(told, param="name", code="last_engine")
            if change.after != (word.after or {"draining": False}) or "lent_to" in change.after:
                await note(connection, change, actor)
                word = (await latest_in(connection, [change.subject]))[change.subject]
        await follow_drains(tools, database)
    return word
