"""The pieces of a backtest, and the desk at which one process works on them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.backtest.compare import Comparison
from gateway.backtest.effect import Effects
from gateway.backtest.file_rows import FileRow, read_file_row
from gateway.backtest.policies import Written
from gateway.backtest.side import Recorded, Side
from gateway.backtest.tally import Tally
from gateway.backtest.texts import texts_of
from gateway.ledger import jsontext
from gateway.ledger.database import Database
from gateway.ledger.evidence import document_of
from gateway.ledger.evidence_tables import EvidenceRow
from gateway.ledger.exchanges import Exchanges, panels_in
from guards.scoring.batches import Batch
from guards.scoring.rows import BadRow

Panels = dict[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Job:
    """Which policies are compared, on which ledger; no `before` is what was done at the time."""

    after: Written
    before: Written | None = None
    url: str | None = None
    since: datetime | None = None
    keep: int = 5


@dataclass(frozen=True, slots=True)
class Span:
    """Evidence by its ids, ends included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Bare:
    """Exchanges, by their sequence numbers, that have no evidence: from before it was kept."""

    seqs: tuple[int, ...]


Piece = Span | Bare | Batch


class Desk:
    """A job's policies, made ready once, and the counting of one piece after the other."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._runner = asyncio.Runner()
        self._panels: Panels = {}
        before = Recorded() if job.before is None else Side(job.before.read(), self._panels)
        self._effects = Effects(before, Side(job.after.read(), self._panels))

    def __call__(self, piece: Piece) -> Tally:
        """What a piece comes to; raises LedgerFailed."""
        return self._runner.run(self._counted(piece))

    def close(self) -> None:
        """Leave the desk."""
        self._runner.close()

    async def _counted(self, piece: Piece) -> Tally:
        comparison = Comparison(self._effects, self.job.keep)
        if isinstance(piece, Batch):
            await self._count_rows(piece, comparison)
        else:
            await self._count_exchanges(piece, comparison)
        return comparison.counted()

    async def _count_exchanges(self, piece: Span | Bare, comparison: Comparison) -> None:
        database = Database(self.job.url or "")
        try:
            async with database.read() as connection:
                if isinstance(piece, Span):
                    self._panels.update(await panels_in(connection))
                    wanting = await self._spanned(piece, connection, comparison)
                else:
                    found = await Exchanges(database).at(piece.seqs)
                    wanting = {each.id: unplaced(document_of(each)) for each in found}
                await count_again(wanting, connection, comparison)
        finally:
            await database.close()

    async def _spanned(
        self, piece: Span, connection: AsyncConnection, comparison: Comparison
    ) -> dict[str, Any]:
        """Counts what can be told from evidence alone; returns the rest."""
        row = EvidenceRow
        query = select(row.exchange_id, row.document).where(row.id.between(piece.first, piece.last))
        if self.job.since is not None:
            query = query.where(row.created_at >= self.job.since)
        wanting = {}
        for exchange_id, document in (await connection.execute(query)).all():
            evidence = jsontext.loads(document)
            if not comparison.take(exchange_id, evidence):
                wanting[exchange_id] = evidence
        return wanting

    async def _count_rows(self, batch: Batch, comparison: Comparison) -> None:
        for number, line in enumerate(batch.lines, batch.first):
            if not line.strip():
                continue
            try:
                row = read_file_row(line, number, recorded=self.job.before is None)
            except BadRow as error:
                comparison.tally.bad(f"line {number}: {error.field}: {error}")
                continue
            await self._count_row(row, comparison)

    async def _count_row(self, row: FileRow, comparison: Comparison) -> None:
        self._panels[row.panel_id] = row.panel
        if not comparison.take(row.id, row.evidence):
            await comparison.take_again(row.id, row.evidence, row)


def unplaced(document: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence of an exchange from before segments were kept: of no verdict is it known what it was about."""

    def bare(said: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if said is None else {**said, "s": None}

    candidates = [[bare(said), reward] for said, reward in document["c"]]
    return {**document, "p": bare(document["p"]), "c": candidates}


async def count_again(
    wanting: Mapping[str, Mapping[str, Any]], connection: AsyncConnection, comparison: Comparison
) -> None:
    """Counts exchanges about which guards must be asked."""
    ids: Sequence[str] = list(wanting)
    for exchange_id, texts in (await texts_of(connection, ids)).items():
        evidence = wanting[exchange_id]
        cut = bool((evidence["p"] or {}).get("r"))
        await comparison.take_again(exchange_id, evidence, replace(texts, cut=cut))
