"""A backtest from its pieces to one count: in this process, in several, or on Ray; the count is the same."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import datetime

from sqlalchemy import func, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.backtest.tally import Tally
from gateway.backtest.work import Bare, Desk, Job, Piece, Span
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.evidence_tables import EvidenceRow
from gateway.ledger.tables import ExchangeRow
from guards.side_by_side import in_order

SPAN = 4_000  # exchanges of one piece
BARE = 200  # of those that need their guards asked
Told = Callable[[Tally], None]


async def pieces_of(database: Database, since: datetime | None) -> list[Piece]:
    """The pieces of a ledger: those with evidence in spans, the earlier ones by name."""
    async with database.read() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table(EvidenceRow.__tablename__)):
            raise LedgerFailed(
                f"{database.name} is from an earlier version; start its gateway once, then try again"
            )
        return [*await spans(connection, since), *await bare(connection, since)]


async def spans(connection: AsyncConnection, since: datetime | None) -> list[Piece]:
    """The evidence, in spans of ids."""
    query = select(func.min(EvidenceRow.id), func.max(EvidenceRow.id))
    if since is not None:
        query = query.where(EvidenceRow.created_at >= since)
    ends: Sequence[int | None] = (await connection.execute(query)).one()
    first, last = ends
    if first is None or last is None:
        return []
    return [Span(start, min(start + SPAN - 1, last)) for start in range(first, last + 1, SPAN)]


async def bare(connection: AsyncConnection, since: datetime | None) -> list[Piece]:
    """The exchanges that have no evidence."""
    newer = () if since is None else (ExchangeRow.created_at >= since,)
    counted = select(func.count()).select_from(EvidenceRow)
    if since is not None:
        counted = counted.where(EvidenceRow.created_at >= since)
    with_evidence = (await connection.execute(counted)).scalar_one()
    everything = (
        await connection.execute(select(func.count()).select_from(ExchangeRow).where(*newer))
    ).scalar_one()
    if everything <= with_evidence:
        return []
    lacking = ~select(EvidenceRow.id).where(EvidenceRow.exchange_id == ExchangeRow.id).exists()
    query = select(ExchangeRow.seq).where(lacking, *newer).order_by(ExchangeRow.seq)
    seqs: Sequence[int] = list(await connection.scalars(query))
    return [Bare(tuple(seqs[start : start + BARE])) for start in range(0, len(seqs), BARE)]


def count(job: Job, pieces: Iterable[Piece], jobs: int, told: Told = lambda _: None) -> Tally:
    """The count over all pieces; `told` is shown it as it grows. Raises LedgerFailed."""
    total = Tally(job.keep)
    for tally in counted(job, pieces, jobs):
        total.add(tally)
        told(total)
    return total


def counted(job: Job, pieces: Iterable[Piece], jobs: int) -> Iterator[Tally]:
    """Each piece's count."""
    if jobs == 1:
        with closing(Desk(job)) as desk:
            yield from map(desk, pieces)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=sit_down, initargs=(job,)) as pool:
        try:
            yield from in_order(pieces, count_here, pool, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


HERE: list[Desk] = []  # the desk of a process beside: made once, when it begins


def sit_down(job: Job) -> None:
    """Prepare a process to count."""
    HERE[:] = [Desk(job)]


def count_here(piece: Piece) -> Tally:
    """Count a piece in such a process."""
    return HERE[0](piece)
