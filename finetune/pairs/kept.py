"""Pairs in the ledger: each once, by content; what was erased does not come back."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.pair import Pair, Provenance
from gateway.ledger.learning_tables import FeedbackRow
from gateway.ledger.tables import CandidateRow, ExchangeRow, PairRow

AT_ONCE = 400


async def keep(connection: AsyncConnection, pairs: Sequence[Pair]) -> int:
    """Add the pairs that are not there yet; how many that were. A tombstone is there.

    What was made of an exchange that was erased meanwhile is not kept.
    """
    gone = await erased_among(connection, {pair.provenance.exchange_id for pair in pairs})
    by_id = {pair.id: pair for pair in pairs if pair.provenance.exchange_id not in gone}
    ids = list(by_id)
    for start in range(0, len(ids), AT_ONCE):
        known = select(PairRow.id).where(PairRow.id.in_(ids[start : start + AT_ONCE]))
        for each in await connection.scalars(known):
            del by_id[each]
    if by_id:
        await connection.execute(insert(PairRow), [row_of(pair) for pair in by_id.values()])
    return len(by_id)


async def erased_among(connection: AsyncConnection, exchanges: Collection[str]) -> set[str]:
    """Those of these exchanges whose texts were taken out since their subject asked for that."""
    ids, found = sorted(filter(None, exchanges)), set[str]()
    for start in range(0, len(ids), AT_ONCE):
        row, some = ExchangeRow, ids[start : start + AT_ONCE]
        found.update(
            await connection.scalars(select(row.id).where(row.id.in_(some), row.erased_at.is_not(None)))
        )
    return found


def withdrawn() -> Any:
    """The ids of pairs in which a candidate loses that an operator has given free: these train nothing."""
    word, candidate = FeedbackRow, CandidateRow
    given_free = (word.exchange_id == PairRow.exchange_id) & (word.kind == "overturn")
    lost = (candidate.exchange_id == word.exchange_id) & (candidate.position == word.candidate)
    return (
        select(PairRow.id).join(word, given_free).join(candidate, lost & (candidate.text == PairRow.rejected))
    )


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
    """The pair of a row; rows of before sources were noted say who labelled them."""
    told = {name: value for name, value in provenance.items() if name != "kind"}
    by_guard = str(told.get("labelled_by", "")).startswith("guard:")
    told.setdefault("source", "guard" if by_guard else "reward")
    return Pair(tuple(prompt), chosen, rejected, provenance["kind"], Provenance(**told))
