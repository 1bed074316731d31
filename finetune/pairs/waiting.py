"""Which pairs wait before they are trained on (`filters.quarantine_hours`): a flood is to be seen before it is learnt.

A pair waits from its exchange on: pairs are made as a retraining begins, and would all have to wait for the next one.
Users' thumbs may come long after an exchange, and red-teaming has none: these wait from when they were kept.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.pair import Pair
from gateway.ledger.tables import ExchangeRow, PairRow

THUMBS = "feedback"  # the source of their pairs


def until(quarantine_hours: float) -> datetime | None:
    """The moment after which is too late; None where nothing waits."""
    return datetime.now(UTC) - timedelta(hours=quarantine_hours) if quarantine_hours else None


def waiting(moment: datetime) -> ColumnElement[bool]:
    """Of kept pairs, whether one is too young."""
    row = PairRow
    young = select(ExchangeRow.id).where(ExchangeRow.created_at > moment)
    by_itself = row.exchange_id.is_(None) | (
        func.coalesce(row.provenance["source"].as_string(), "") == THUMBS
    )
    of_young = row.exchange_id.is_not(None) & row.exchange_id.in_(young)
    return of_young | (by_itself & (row.created_at > moment))


async def young_among(connection: AsyncConnection, moment: datetime) -> set[str]:
    """The exchanges that are too young."""
    return set(await connection.scalars(select(ExchangeRow.id).where(ExchangeRow.created_at > moment)))


def waits(pair: Pair, young: Collection[str]) -> bool:
    """Whether a pair that nobody has kept yet must wait."""
    told = pair.provenance
    return told.source == THUMBS or not told.exchange_id or told.exchange_id in young
