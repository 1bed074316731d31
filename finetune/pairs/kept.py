"""Pairs in the ledger: each once, by content; what was erased or withdrawn does not come back."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.pair import Pair, Provenance
from gateway.ledger.learning_tables import DatasetPairRow, FeedbackRow
from gateway.ledger.tables import CandidateRow, PairRow

AT_ONCE = 400


async def keep(connection: AsyncConnection, pairs: Sequence[Pair]) -> int:
    """Add the pairs that are not there yet; how many that were. A tombstone is there."""
    by_id = {pair.id: pair for pair in pairs}
    ids = list(by_id)
    for start in range(0, len(ids), AT_ONCE):
        known = select(PairRow.id).where(PairRow.id.in_(ids[start : start + AT_ONCE]))
        for each in await connection.scalars(known):
            del by_id[each]
    if by_id:
        await connection.execute(insert(PairRow), [row_of(pair) for pair in by_id.values()])
    return len(by_id)


async def withdraw(connection: AsyncConnection) -> int:
    """Take back the pairs in which a candidate loses that an operator has given free since; how many.

    One that a frozen dataset holds is kept for its lineage, and trains nothing more.
    """
    word, candidate = FeedbackRow, CandidateRow
    freed = (
        select(PairRow.id)
        .join(word, (word.exchange_id == PairRow.exchange_id) & (word.kind == "overturn"))
        .join(
            candidate,
            (candidate.exchange_id == word.exchange_id)
            & (candidate.position == word.candidate)
            & (candidate.text == PairRow.rejected),
        )
    )
    ids = set(await connection.scalars(freed))
    frozen = set(await connection.scalars(select(DatasetPairRow.pair).where(DatasetPairRow.pair.in_(ids))))
    await connection.execute(delete(PairRow).where(PairRow.id.in_(ids - frozen)))
    return len(ids)


def row_of(pair: Pair) -> dict[str, Any]:
    """A pair as the ledger keeps it; its kind is part of where it comes from."""
    return {
        "id": pair.id,
        "content_hash": pair.id,
        "exchange_id": pair.provenance.exchange_id or None,
        "prompt": [dict(message) for message in pair.messages],
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "provenance": asdict(pair.provenance) | {"kind": pair.kind},
        "created_at": datetime.now(UTC),
        "key_id": pair.provenance.key_id or None,
        "subject": pair.provenance.subject,
    }


def pair_from(prompt: list[Any], chosen: str, rejected: str, provenance: dict[str, Any]) -> Pair:
    """The pair of a row."""
    source = {name: value for name, value in provenance.items() if name != "kind"}
    return Pair(tuple(prompt), chosen, rejected, provenance["kind"], Provenance(**source))
