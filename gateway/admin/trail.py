"""The audit trail: who or what changed something that matters, from what to what, and on which evidence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.database import Database
from gateway.ledger.tables import TransitionRow


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one thing."""

    kind: str
    subject: str
    before: dict[str, Any]
    after: dict[str, Any]
    cause: str
    evidence: dict[str, Any] = field(default_factory=dict)


async def note(connection: AsyncConnection, change: Change, actor: str) -> None:
    """Write a change down in the transaction that makes it."""
    await connection.execute(
        insert(TransitionRow).values(**asdict(change), actor=actor, created_at=datetime.now(UTC))
    )


async def trail(
    database: Database, kinds: Sequence[str], subject: str | None, limit: int
) -> list[dict[str, Any]]:
    """The latest changes of some kinds, the latest first."""
    async with database.read() as connection:
        return await trail_in(connection, kinds, subject, limit)


async def trail_in(
    connection: AsyncConnection, kinds: Sequence[str], subject: str | None, limit: int
) -> list[dict[str, Any]]:
    """The latest changes of some kinds, the latest first, within a transaction."""
    query = select(*TransitionRow.__table__.columns).where(TransitionRow.kind.in_(kinds))
    if subject is not None:
        query = query.where(TransitionRow.subject == subject)
    rows = await connection.execute(query.order_by(TransitionRow.id.desc()).limit(limit))
    return [dict(row) for row in rows.mappings()]
