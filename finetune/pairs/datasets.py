"""Frozen datasets in the ledger: what each holds, and whether it may still be trained on."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.dataset import Dataset
from finetune.pairs.pair import Pair
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import DatasetPairRow, DatasetRow, ErasureRow


async def enter(
    connection: AsyncConnection, dataset: Dataset, pairs: Sequence[Pair], kind: str | None = None
) -> None:
    """Write down what a dataset holds; the same dataset is entered once."""
    known = select(DatasetRow.sha256).where(DatasetRow.sha256 == dataset.sha256)
    if await connection.scalar(known) is not None:
        return
    row = {
        "sha256": dataset.sha256,
        "kind": kind or kind_of(dataset),
        "path": str(dataset.path),
        "rows": dataset.rows,
        "counts": counts_of(dataset, pairs),
        "created_at": datetime.now(UTC),
    }
    await connection.execute(insert(DatasetRow).values(**row))
    if pairs:
        held = [{"dataset": dataset.sha256, "pair": pair.id} for pair in pairs]
        await connection.execute(insert(DatasetPairRow), held)


def kind_of(dataset: Dataset) -> str:
    """What its rows are."""
    return "pairs and ratings" if dataset.ratings else "pairs"


def counts_of(dataset: Dataset, pairs: Sequence[Pair]) -> dict[str, Any]:
    """What a dataset holds, by kind, source and hazard, and what each filter took."""
    return {
        "kinds": dict(Counter(pair.kind for pair in pairs)),
        "sources": dict(Counter(pair.provenance.source for pair in pairs)),
        "hazards": dict(Counter(pair.provenance.hazard or "none" for pair in pairs)),
        "labelled_by": dict(Counter(pair.provenance.labelled_by.split(":")[0] for pair in pairs)),
        "dropped": dict(dataset.dropped),
        "labels": dict(Counter(label_of(pair) for pair in pairs if not pair.whole)),
    }


def label_of(rating: Pair) -> str:
    """What users made of an answer."""
    return "liked" if rating.liked else "disliked"


async def erased(connection: AsyncConnection, sha256: str) -> bool:
    """Whether something that a dataset holds was erased since it was frozen."""
    query = select(DatasetRow.erased_at).where(DatasetRow.sha256 == sha256)
    return await connection.scalar(query) is not None


async def listed(database: Database, limit: int) -> list[dict[str, Any]]:
    """The latest datasets, the latest first."""
    query = select(*DatasetRow.__table__.columns).order_by(DatasetRow.created_at.desc()).limit(limit)
    async with database.read() as connection:
        return [dict(row) for row in (await connection.execute(query)).mappings()]


async def sweep(database: Database, drawn: Path) -> list[str]:
    """Remove the files of datasets that hold something erased; their rows stay, and say what they held.

    Candidates that were drawn before the latest erasure go too: their files hold the conversations they answer.
    """
    query = select(DatasetRow.sha256, DatasetRow.path).where(DatasetRow.erased_at.is_not(None))
    latest = select(ErasureRow.created_at).order_by(ErasureRow.created_at.desc()).limit(1)
    async with database.read() as connection:
        found = list(await connection.execute(query))
        erasures = list(await connection.scalars(latest))
    for file in drawn.glob("*.jsonl"):
        if any(file.stat().st_mtime <= erased.timestamp() for erased in erasures):
            file.unlink(missing_ok=True)
    gone = []
    for sha256, path in found:
        if Path(path).is_file():
            Path(path).unlink()
            gone.append(sha256)
    return gone
