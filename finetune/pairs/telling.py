"""Of which exchanges something may be learnt, and which of their candidates nobody has scored."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.exchange import EMBEDDING
from gateway.ledger.learning_tables import FeedbackRow
from gateway.ledger.tables import CandidateRow, ExchangeRow
from gateway.tenants.consent import unwilling

Late = Mapping[tuple[str, int], float]  # rewards by exchange and position


def tellable() -> ColumnElement[bool]:
    """Conversations that were flagged, ranked or spoken of, neither erased nor asked with `store: false`."""
    row = ExchangeRow
    several = select(CandidateRow.exchange_id).where(CandidateRow.position == 1)
    spoken = select(FeedbackRow.exchange_id)
    told = row.flagged | row.id.in_(several) | row.id.in_(spoken)
    usable = row.error.is_(None) & row.erased_at.is_(None) & row.learn.is_not(False)
    return usable & (row.strategy != EMBEDDING) & told


async def telling(connection: AsyncConnection, window: int) -> list[int]:
    """The sequence numbers of the latest of them, of keys that may be learnt from, ascending."""
    row = ExchangeRow
    willing = row.key_id.not_in(await unwilling(connection))
    query = select(row.seq).where(tellable(), willing).order_by(row.seq.desc()).limit(window)
    return sorted(await connection.scalars(query))


async def unscored(connection: AsyncConnection, least: int) -> set[int]:
    """The sequence numbers, from `least` on, of exchanges with a candidate that says something and has no reward."""
    row = CandidateRow
    lacking = row.reward.is_(None) & row.late_reward.is_(None) & (row.text != "")
    query = select(ExchangeRow.seq).join(row, row.exchange_id == ExchangeRow.id)
    return set(await connection.scalars(query.where(ExchangeRow.seq >= least, lacking).distinct()))


async def keep_late(connection: AsyncConnection, late: Late) -> None:
    """Write rewards beside the candidates that they are of; what traffic gave stays as it is."""
    for (exchange, position), reward in late.items():
        mine = (CandidateRow.exchange_id == exchange, CandidateRow.position == position)
        await connection.execute(update(CandidateRow).where(*mine).values(late_reward=reward))
