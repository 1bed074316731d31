"""What a watch has noticed, in the audit trail: whoever watches next neither tells it nor acts on it again."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.trail import Change, note
from gateway.ledger.tables import TransitionRow

DRIFT, SCHEDULE, ACTOR = "drift", "schedule", "watch"


async def alarm_of(connection: AsyncConnection, alias: str, version: str | None) -> datetime | None:
    """When it was noticed that a version's rewards drift; None where it was not."""
    row = TransitionRow
    this = (row.kind == DRIFT, row.subject == alias, row.after["version"].as_string() == version)
    found: datetime | None = await connection.scalar(
        select(row.created_at).where(*this).order_by(row.id).limit(1)
    )
    return found


async def note_alarm(
    connection: AsyncConnection, alias: str, version: str | None, index: float, why: str
) -> None:
    """Write down that a version's rewards drift."""
    await note(connection, alias, Change({}, {"version": version}, why, {"psi": index}), ACTOR, DRIFT)


async def last_in_vain(connection: AsyncConnection, alias: str) -> datetime | None:
    """When a time of the schedule last found nothing to learn; None where none did."""
    row = TransitionRow
    this = (row.kind == SCHEDULE, row.subject == alias)
    found: datetime | None = await connection.scalar(
        select(row.created_at).where(*this).order_by(row.id.desc()).limit(1)
    )
    return found


async def note_in_vain(connection: AsyncConnection, alias: str, cron: str | None) -> None:
    """Write down that a time of the schedule has come, and found nothing to learn."""
    await note(connection, alias, Change({}, {"cron": cron}, "nothing was new"), ACTOR, SCHEDULE)
