"""Exchanges into the tables, each once; what they refuse becomes a dead letter, and spoils nothing else."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.exchange import Exchange
from gateway.ledger import document
from gateway.ledger.contract import LedgerFailed, LedgerUnavailable
from gateway.ledger.database import Database
from gateway.ledger.evidence_tables import EvidenceRow, PanelRow
from gateway.ledger.forgotten import forgotten
from gateway.ledger.insertion import insert_rows
from gateway.ledger.rows import rows_of
from gateway.ledger.tables import CandidateRow, DeadLetterRow, ExchangeRow, FindingRow

# What a driver raises for a value that no column takes; the database's own refusals come as LedgerFailed.
REFUSALS = (LedgerFailed, ValueError, TypeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Letter:
    """An exchange that the tables cannot hold: its whole document, and why."""

    exchange_id: str
    reason: str
    document: bytes


class Intake:
    """Stores batches; `stored` counts exchanges that were news, `dead` those that were refused."""

    def __init__(self, database: Database, *, patience_seconds: float = 30.0) -> None:
        self._database = database
        self._patience_seconds = patience_seconds
        self.stored = 0
        self.dead = 0

    async def take(self, exchanges: Sequence[Exchange], letters: Sequence[Letter] = ()) -> None:
        """Store them all or bury some; raises LedgerUnavailable, and then all of it may be tried again."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                if exchanges:
                    await self._store(exchanges)
                for letter in letters:
                    await self._bury(letter)
        except TimeoutError as error:
            raise LedgerUnavailable(f"the database took more than {self._patience_seconds:g} s") from error

    async def _store(self, exchanges: Sequence[Exchange]) -> None:
        """All in one transaction; if that is refused, each half alone, down to the one that is to blame."""
        try:
            async with self._database.write() as connection:
                count = await _insert_news(connection, exchanges)
        except LedgerUnavailable:
            raise
        except REFUSALS as error:
            if len(exchanges) == 1:
                await self._bury(letter_of(exchanges[0], error))
                return
            half = len(exchanges) // 2
            await self._store(exchanges[:half])
            await self._store(exchanges[half:])
        else:
            self.stored += count

    async def _bury(self, letter: Letter) -> None:
        row = {
            "exchange_id": letter.exchange_id,
            "reason": letter.reason,
            "document": letter.document.decode("utf-8", "backslashreplace"),
            "recorded_at": datetime.now(UTC),
        }
        try:
            async with self._database.write() as connection:
                same = DeadLetterRow.exchange_id == letter.exchange_id
                await connection.execute(delete(DeadLetterRow).where(same))
                await connection.execute(insert(DeadLetterRow), [row])
        except REFUSALS as error:
            raise LedgerUnavailable(f"not even a dead letter could be stored: {error}") from error
        self.dead += 1


async def _insert_news(connection: AsyncConnection, exchanges: Sequence[Exchange]) -> int:
    """Insert the exchanges that the ledger does not have; how many they were."""
    by_id = {exchange.id: exchange for exchange in exchanges}
    known = await connection.scalars(select(ExchangeRow.id).where(ExchangeRow.id.in_(by_id)))
    for exchange_id in known:
        del by_id[exchange_id]
    for exchange_id in await forgotten(connection, by_id.values()):
        del by_id[exchange_id]
    rows = rows_of(by_id.values())
    tables = (
        (ExchangeRow, rows.exchanges),
        (CandidateRow, rows.candidates),
        (FindingRow, rows.findings),
        (EvidenceRow, rows.evidence),
        (PanelRow, await _new_panels(connection, rows.panels)),
    )
    for table, values in tables:
        await insert_rows(connection, table.metadata.tables[table.__tablename__], values)
    return len(by_id)


async def _new_panels(
    connection: AsyncConnection, panels: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Those that the ledger does not have yet; a policy's first exchange brings its panel."""
    if not panels:
        return []
    known = set(await connection.scalars(select(PanelRow.id).where(PanelRow.id.in_(panels))))
    return [{"id": name, "guards": dict(guards)} for name, guards in panels.items() if name not in known]


def letter_of(exchange: Exchange, error: BaseException) -> Letter:
    """The dead letter of an exchange that an error kept out of the tables."""
    return Letter(exchange.id, f"{type(error).__name__}: {error}", document.write(exchange))


def letter_of_record(record: bytes, error: BaseException) -> Letter:
    """The dead letter of a journal record that is no exchange; the reason quotes nothing of it."""
    name = f"unreadable-{hashlib.sha256(record).hexdigest()[:16]}"
    return Letter(name, f"{type(error).__name__}: not an exchange", record)
