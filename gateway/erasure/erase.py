"""Erasing a subject: one transaction that reaches every table in which something of theirs stands.

What is left counts and says nothing: an exchange keeps when it was, which version answered and what guards found; a
pair keeps its id, so that the same texts are not learnt from again. The subject's name is kept as a digest alone,
by which exchanges that are still on their way to the ledger are known and left out.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Text, cast, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.trail import Change, note
from gateway.erasure.learnt import learnt_in
from gateway.ledger.database import Database
from gateway.ledger.evidence_tables import EvidenceRow
from gateway.ledger.forgotten import digest_of
from gateway.ledger.learning_tables import DatasetPairRow, DatasetRow, ErasureRow, FeedbackRow
from gateway.ledger.tables import (
    CandidateRow,
    DeadLetterRow,
    ExchangeRow,
    PairRow,
    ResponseRow,
    VerdictRow,
)

AT_ONCE = 400  # ids in one statement


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was reached; datasets and versions were made with something of the subject's."""

    id: str
    subject_digest: str
    counts: dict[str, int]
    datasets: list[str]
    versions: list[str]
    created_at: datetime


async def erase(database: Database, subject: str, cause: str, actor: str) -> Erasure:
    """Erase all of a subject's; again, it reaches what came since."""
    async with database.write() as connection:
        exchanges = list(
            await connection.scalars(select(ExchangeRow.id).where(ExchangeRow.subject == subject))
        )
        pairs = await pairs_of(connection, subject, exchanges)
        datasets = await datasets_of(connection, pairs)
        counts = {
            "exchanges": len(exchanges),
            "pairs": len(pairs),
            "feedback": await forget_feedback(connection, subject, exchanges),
            "responses": await forget_responses(connection, subject),
            "dead_letters": await forget_letters(connection, subject),
        }
        await blank_exchanges(connection, exchanges)
        await blank_pairs(connection, pairs)
        await mark(connection, datasets)
        versions = await versions_of(connection, datasets)
        now = datetime.now(UTC)
        found = Erasure(f"er-{secrets.token_hex(8)}", digest_of(subject), counts, datasets, versions, now)
        row = {name: getattr(found, name) for name in Erasure.__slots__}
        await connection.execute(insert(ErasureRow).values(**row, actor=actor))
        evidence = {"counts": counts, "datasets": datasets, "versions": versions}
        change = Change("erasure", found.subject_digest, {}, {"state": "erased"}, cause, evidence)
        await note(connection, change, actor)
    await database.forget_log()
    return found


async def erasures(database: Database, limit: int) -> list[dict[str, Any]]:
    """The latest erasures, the latest first."""
    query = select(*ErasureRow.__table__.columns).order_by(ErasureRow.created_at.desc()).limit(limit)
    async with database.read() as connection:
        return [dict(row) for row in (await connection.execute(query)).mappings()]


async def pairs_of(connection: AsyncConnection, subject: str, exchanges: Sequence[str]) -> list[str]:
    """The pairs that were made of the subject's exchanges, and are not erased yet."""
    found = set(await connection.scalars(select(PairRow.id).where(PairRow.subject == subject)))
    for some in parts_of(exchanges):
        found |= set(await connection.scalars(select(PairRow.id).where(PairRow.exchange_id.in_(some))))
    return sorted(found)


async def datasets_of(connection: AsyncConnection, pairs: Sequence[str]) -> list[str]:
    """The datasets that hold any of these pairs."""
    found: set[str] = set()
    for some in parts_of(pairs):
        held = select(DatasetPairRow.dataset).where(DatasetPairRow.pair.in_(some))
        latest = select(PairRow.dataset_hash).where(PairRow.id.in_(some), PairRow.dataset_hash.is_not(None))
        for query in (held, latest):
            found |= {str(each) for each in await connection.scalars(query)}
    return sorted(found)


async def versions_of(connection: AsyncConnection, datasets: Sequence[str]) -> list[str]:
    """The versions that were trained on any of these datasets, or from a version that was."""
    learnt = await learnt_in(connection)
    return sorted(version for version, theirs in learnt.items() if not theirs.isdisjoint(datasets))


async def blank_exchanges(connection: AsyncConnection, exchanges: Sequence[str]) -> None:
    """Take every text out of some exchanges."""
    for some in parts_of(exchanges):
        nothing: dict[str, Any] = {
            "messages": [],
            "answer": "",
            "why": "",
            "prompt_screening": None,
            "subject": None,
        }
        of_them = update(ExchangeRow).where(ExchangeRow.id.in_(some))
        await connection.execute(of_them.values(**nothing, erased_at=datetime.now(UTC)))
        bare: dict[str, Any] = {"text": "", "message": {}, "logprobs": None, "screening": None}
        await connection.execute(
            update(CandidateRow).where(CandidateRow.exchange_id.in_(some)).values(**bare)
        )
        await connection.execute(delete(EvidenceRow).where(EvidenceRow.exchange_id.in_(some)))
        await connection.execute(update(VerdictRow).where(VerdictRow.exchange_id.in_(some)).values(spans=[]))


async def blank_pairs(connection: AsyncConnection, pairs: Sequence[str]) -> None:
    """Make tombstones of some pairs."""
    bare: dict[str, Any] = {"prompt": [], "chosen": "", "rejected": "", "provenance": {}, "subject": None}
    for some in parts_of(pairs):
        of_them = update(PairRow).where(PairRow.id.in_(some), PairRow.erased_at.is_(None))
        await connection.execute(of_them.values(**bare, erased_at=datetime.now(UTC)))


async def mark(connection: AsyncConnection, datasets: Sequence[str]) -> None:
    """No training may have these any more; whoever keeps their files removes them."""
    for some in parts_of(datasets):
        of_them = update(DatasetRow).where(DatasetRow.sha256.in_(some), DatasetRow.erased_at.is_(None))
        await connection.execute(of_them.values(erased_at=datetime.now(UTC)))


async def forget_feedback(connection: AsyncConnection, subject: str, exchanges: Sequence[str]) -> int:
    """Delete what was said of the subject's exchanges."""
    gone = (await connection.execute(delete(FeedbackRow).where(FeedbackRow.subject == subject))).rowcount
    for some in parts_of(exchanges):
        of_them = delete(FeedbackRow).where(FeedbackRow.exchange_id.in_(some))
        gone += (await connection.execute(of_them)).rowcount
    return gone


async def forget_responses(connection: AsyncConnection, subject: str) -> int:
    """Delete the stored responses whose requests named the subject."""
    written = {json.dumps(subject), json.dumps(subject, ensure_ascii=False)}
    fields = [f'"{name}":{each}' for name in ("user", "safety_identifier") for each in written]
    body = cast(ResponseRow.response, Text)
    theirs = or_(*(body.contains(each, autoescape=True) for each in fields))
    return (await connection.execute(delete(ResponseRow).where(theirs))).rowcount


async def forget_letters(connection: AsyncConnection, subject: str) -> int:
    """Delete the exchanges that no table could hold and that name the subject; they are few, and read one by one."""
    told = {json.dumps(subject), json.dumps(subject, ensure_ascii=False)}
    query = select(DeadLetterRow.exchange_id, DeadLetterRow.document)
    theirs = [
        row.exchange_id
        for row in await connection.execute(query)
        if any(each in row.document for each in told)
    ]
    for some in parts_of(theirs):
        await connection.execute(delete(DeadLetterRow).where(DeadLetterRow.exchange_id.in_(some)))
    return len(theirs)


def parts_of(ids: Sequence[str]) -> list[Sequence[str]]:
    """Ids in stretches that a statement can name."""
    return [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
