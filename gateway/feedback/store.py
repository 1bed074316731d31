"""Feedback in the ledger; each change of an operator's is in the audit trail, without its text."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.trail import Change, note
from gateway.feedback.said import Feedback
from gateway.ledger.contract import NotInLedger
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import FeedbackRow

COLUMNS = [FeedbackRow.__table__.c[name] for name in Feedback.__slots__]


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """Feedback, newest first; `cursor` asks for the next page, None when this is the last."""

    found: tuple[Feedback, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class FeedbackStore:
    """The feedback in a database."""

    database: Database

    async def keep(self, said: Feedback, *, noted: bool, earlier: str | None = None) -> Feedback:
        """Keep a word, in place of the same key's earlier one of the same answer, also under its earlier id."""
        kept = replace(said, created_at=datetime.now(UTC))
        async with self.database.write() as connection:
            ids = [said.id] if earlier is None else [said.id, earlier]
            await connection.execute(delete(FeedbackRow).where(FeedbackRow.id.in_(ids)))
            row = {name: getattr(kept, name) for name in Feedback.__slots__}
            await connection.execute(insert(FeedbackRow).values(**row))
            if noted:
                await note(connection, change_of(kept, "kept"), said.key_id)
        return kept

    async def page(
        self, limit: int, *, exchange: str | None = None, kind: str | None = None, cursor: str | None = None
    ) -> FeedbackPage:
        """The newest of them, that came before the cursor."""
        query = select(*COLUMNS).order_by(FeedbackRow.created_at.desc(), FeedbackRow.id.desc())
        if exchange is not None:
            query = query.where(FeedbackRow.exchange_id == exchange)
        if kind is not None:
            query = query.where(FeedbackRow.kind == kind)
        async with self.database.read() as connection:
            if cursor is not None:
                last = await one_in(connection, cursor)
                same = (FeedbackRow.created_at == last.created_at) & (FeedbackRow.id < last.id)
                query = query.where((FeedbackRow.created_at < last.created_at) | same)
            rows = await connection.execute(query.limit(limit + 1))
            found = [Feedback(**row) for row in rows.mappings()]
        more = found[limit - 1].id if len(found) > limit else None
        return FeedbackPage(tuple(found[:limit]), more)

    async def remove(self, feedback_id: str, actor: str) -> None:
        """Forget one; raises NotInLedger."""
        async with self.database.write() as connection:
            found = await one_in(connection, feedback_id)
            await connection.execute(delete(FeedbackRow).where(FeedbackRow.id == feedback_id))
            await note(connection, change_of(found, "removed"), actor)


async def one_in(connection: AsyncConnection, feedback_id: str) -> Feedback:
    """One of them; raises NotInLedger."""
    found = (
        (await connection.execute(select(*COLUMNS).where(FeedbackRow.id == feedback_id))).mappings().first()
    )
    if found is None:
        raise NotInLedger(f"there is no feedback {feedback_id[:80]!r}")
    return Feedback(**found)


def change_of(said: Feedback, what: str) -> Change:
    """What the trail says of it."""
    after = {"state": what, "kind": said.kind, "candidate": said.candidate, "other": said.other}
    return Change("feedback", said.exchange_id, {}, after, f"{said.kind} {what}", {"feedback": said.id})
