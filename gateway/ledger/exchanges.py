"""Questions about exchanges: a page by what they are, one by its id, many in the order of arrival."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.exchange import Exchange
from gateway.ledger import jsontext
from gateway.ledger.database import Database
from gateway.ledger.evidence_tables import EvidenceRow, PanelRow
from gateway.ledger.rows import Found, exchange_of
from gateway.ledger.tables import CandidateRow, DeadLetterRow, ExchangeRow, FindingRow, VerdictRow


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exchanges; None leaves a question open. `since` is inclusive and compares creation."""

    flagged: bool | None = None
    hazard: str | None = None
    version: str | None = None
    alias: str | None = None
    key_id: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Exchanges newest first; `cursor` asks for the next page, None when this is the last."""

    exchanges: tuple[Exchange, ...]
    cursor: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many exchanges the ledger holds; dead letters are beside them, not among them."""

    exchanges: int
    flagged: int
    dead_letters: int


class Exchanges:
    """The exchanges in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: Wanted, limit: int, cursor: int | None = None) -> Page:
        """The newest `limit` of them that arrived before `cursor`."""
        query = select(ExchangeRow.seq).where(*_conditions(wanted)).order_by(ExchangeRow.seq.desc())
        if cursor is not None:
            query = query.where(ExchangeRow.seq < cursor)
        async with self._database.read() as connection:
            seqs = list(await connection.scalars(query.limit(limit + 1)))
            found = await _whole(connection, seqs[:limit])
        return Page(tuple(reversed(found)), seqs[limit - 1] if len(seqs) > limit else None)

    async def after(
        self, cursor: int, limit: int, wanted: Wanted | None = None
    ) -> tuple[list[Exchange], int]:
        """The oldest `limit` of them that arrived after `cursor`, and the cursor to go on from."""
        query = select(ExchangeRow.seq).where(ExchangeRow.seq > cursor, *_conditions(wanted or Wanted()))
        async with self._database.read() as connection:
            seqs = list(await connection.scalars(query.order_by(ExchangeRow.seq).limit(limit)))
            return await _whole(connection, seqs), seqs[-1] if seqs else cursor

    async def at(self, seqs: Sequence[int]) -> list[Exchange]:
        """The exchanges with these sequence numbers, oldest first."""
        async with self._database.read() as connection:
            return await _whole(connection, seqs)

    async def get(self, exchange_id: str) -> Exchange | None:
        """One exchange, whole."""
        async with self._database.read() as connection:
            seqs = await connection.scalars(select(ExchangeRow.seq).where(ExchangeRow.id == exchange_id))
            found = await _whole(connection, list(seqs))
        return found[0] if found else None

    async def count(self, wanted: Wanted) -> int:
        """How many there are."""
        query = select(func.count()).select_from(ExchangeRow).where(*_conditions(wanted))
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def counts(self) -> Counts:
        """How many there are in all."""
        letters = select(func.count()).select_from(DeadLetterRow)
        async with self._database.read() as connection:
            dead = int((await connection.execute(letters)).scalar_one())
        return Counts(await self.count(Wanted()), await self.count(Wanted(flagged=True)), dead)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    row = ExchangeRow
    columns = ("flagged", "version", "alias", "key_id")
    asked = [(getattr(row, name), getattr(wanted, name)) for name in columns]
    conditions: list[ColumnElement[bool]] = [column == value for column, value in asked if value is not None]
    if wanted.hazard is not None:
        found = (FindingRow.exchange_id == row.id) & (FindingRow.hazard == wanted.hazard)
        conditions.append(exists().where(found))
    if wanted.since is not None:
        conditions.append(row.created_at >= wanted.since)
    return conditions


async def _whole(connection: AsyncConnection, seqs: Sequence[int]) -> list[Exchange]:
    """The exchanges with these numbers, ascending, with all that belongs to them."""
    query = select(*ExchangeRow.__table__.columns).where(ExchangeRow.seq.in_(seqs)).order_by(ExchangeRow.seq)
    # As the driver brings them: objects of the tables' own would cost a third of the whole.
    rows: list[Any] = list(await connection.execute(query))
    ids = [row.id for row in rows]
    candidates, verdicts, findings = [
        await _belonging(connection, table, ids) for table in (CandidateRow, VerdictRow, FindingRow)
    ]
    said, panels = await _evidence(connection, ids)
    return [
        exchange_of(
            Found(row, candidates[row.id], verdicts[row.id], findings[row.id], said.get(row.id), panels)
        )
        for row in rows
    ]


async def _evidence(
    connection: AsyncConnection, ids: Sequence[str]
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """The evidence of exchanges by their ids, and every panel by its own."""
    query = select(EvidenceRow.exchange_id, EvidenceRow.document).where(EvidenceRow.exchange_id.in_(ids))
    said = {row[0]: jsontext.loads(row[1]) for row in await connection.execute(query)}
    return said, await panels_in(connection) if said else {}


async def panels_in(connection: AsyncConnection) -> dict[str, dict[str, str]]:
    """Every panel by its id: there is one for each policy that ever screened."""
    return {row[0]: row[1] for row in await connection.execute(select(PanelRow.id, PanelRow.guards))}


async def _belonging(connection: AsyncConnection, table: Any, ids: Sequence[str]) -> dict[str, list[Any]]:
    query = select(*table.__table__.columns).where(table.exchange_id.in_(ids)).order_by(table.position)
    found: dict[str, list[Any]] = defaultdict(list)
    for row in await connection.execute(query):
        found[row.exchange_id].append(row)
    return found
