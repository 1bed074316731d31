"""How long a rollout stood still since somebody asked it to: that time does not count against it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.tables import TransitionRow


async def paused_in(connection: AsyncConnection, kind: str, rollout_id: str, now: datetime) -> timedelta:
    """How long a rollout was paused until now, by what the trail says of it, within a transaction."""
    row = TransitionRow
    query = select(row.created_at, row.after).where(row.kind == kind, row.subject == rollout_id)
    return time_paused([(at, after) for at, after in await connection.execute(query.order_by(row.id))], now)


def time_paused(changes: Iterable[tuple[datetime, Mapping[str, Any]]], now: datetime) -> timedelta:
    """The time between each pause and the next end of one, or now; changes come oldest first."""
    whole, since = timedelta(), None
    for at, after in changes:
        if after.get("paused") is True:
            since = since or at
        elif after.get("paused") is False and since is not None:
            whole, since = whole + (at - since), None
    return whole if since is None else whole + max(now - since, timedelta())
