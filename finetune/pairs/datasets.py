"""Frozen datasets in the ledger: what each holds, and whether it may still be trained on."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.errors import FinetuneFailed
from finetune.pairs.dataset import Dataset, freeze
from finetune.pairs.pair import Pair
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import DatasetPairRow, DatasetRow
from gateway.ledger.tables import PairRow

TRIES = 5  # each is overtaken by another erasure
OVERTAKEN = "erased meanwhile"
Work = Callable[[AsyncConnection], Awaitable[None]]


class Overtaken(Exception):
    """What was frozen cannot be entered: some of it was erased since it was read, or its file is gone."""

    def __init__(self, erased: frozenset[str]) -> None:
        super().__init__(f"{len(erased)} pairs were erased while they were frozen")
        self.erased = erased  # ids of pairs


async def freeze_and_enter(
    pairs: Sequence[Pair],
    folder: Path,
    dropped: Mapping[str, int],
    write: Callable[[Work], Awaitable[None]],
    kind: str | None = None,
) -> Dataset:
    """Freeze pairs and enter them by `write`, one transaction, without those that an erasure took meanwhile.

    Raises FinetuneFailed where one erasure after another overtakes it.
    """
    left = list(pairs)
    for _ in range(TRIES):
        lost = len(pairs) - len(left)
        counted = {**dropped, OVERTAKEN: lost} if lost else dropped
        dataset = await asyncio.to_thread(freeze, left, folder, counted)
        try:
            await write(partial(enter, dataset=dataset, pairs=left, kind=kind))
        except Overtaken as overtaken:
            if overtaken.erased:
                await asyncio.to_thread(dataset.path.unlink, missing_ok=True)
            left = [pair for pair in left if pair.id not in overtaken.erased]
        else:
            return dataset
    raise FinetuneFailed(f"erasures overtook the freezing of a dataset {TRIES} times: run it again")


async def enter(
    connection: AsyncConnection, dataset: Dataset, pairs: Sequence[Pair], kind: str | None = None
) -> None:
    """Write down what a dataset holds, once; raises Overtaken where some of it was erased, and nothing is written.

    The connection is of `Database.write`. Those transactions go one after another, erasures among them: SQLite lets
    one in at a time, by BEGIN IMMEDIATE, and on PostgreSQL each takes the same advisory lock first and reads what was
    committed before each of its statements. So either the erasure was committed, and its tombstones are seen here;
    or it comes after this was committed, finds the dataset by what it holds, and marks it.
    """
    await note_held(connection, dataset, pairs, kind)
    erased = frozenset(await connection.scalars(tombstones(dataset.sha256)))
    # Whoever sweeps removes what no row names in such a transaction too: what is there now, stays.
    if erased or not await asyncio.to_thread(dataset.path.is_file):
        raise Overtaken(erased)


async def note_held(
    connection: AsyncConnection, dataset: Dataset, pairs: Sequence[Pair], kind: str | None
) -> None:
    """The rows of a dataset, unless they are there."""
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


def tombstones(sha256: str) -> Select[Any]:
    """The ids of those pairs of a dataset that were erased: one statement, however many it holds."""
    row = DatasetPairRow
    held = select(row.pair).join(PairRow, PairRow.id == row.pair)
    return held.where(row.dataset == sha256, PairRow.erased_at.is_not(None))


async def erased(connection: AsyncConnection, sha256: str) -> bool:
    """Whether something that a dataset holds was erased since it was frozen, or while it was.

    A mark says so; datasets that were entered when nobody looked for the second may lack it.
    """
    query = select(DatasetRow.erased_at).where(DatasetRow.sha256 == sha256)
    if await connection.scalar(query) is not None:
        return True
    return await connection.scalar(tombstones(sha256).limit(1)) is not None


async def listed(database: Database, limit: int) -> list[dict[str, Any]]:
    """The latest datasets, the latest first."""
    query = select(*DatasetRow.__table__.columns).order_by(DatasetRow.created_at.desc()).limit(limit)
    async with database.read() as connection:
        return [dict(row) for row in (await connection.execute(query)).mappings()]


async def refuse_erased(database: Database, row: Mapping[str, Any]) -> None:
    """Raise FinetuneFailed where a dataset of the ledger's holds something that was erased."""
    async with database.read() as connection:
        if await erased(connection, row["sha256"]):
            told = f"dataset {row['sha256'][:12]} holds something that was erased"
            raise FinetuneFailed(f"{told}: nothing is trained on it, and it is not given out")
