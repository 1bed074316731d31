"""Dead letters, opened again: what the tables refused once is offered to them anew."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from gateway.exchange import Exchange
from gateway.ledger import document
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import DeadLetterRow, ExchangeRow

BATCH = 64
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many dead letters became exchanges, and how many are dead still."""

    stored: int
    left: int


class DeadLetters:
    """The dead letters in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replay(self) -> Replayed:
        """Offer every letter to the tables; raises LedgerUnavailable, and then the rest may be tried again."""
        stored, cursor = 0, ""
        while letters := await self._after(cursor):
            cursor = list(letters)[-1]  # the last as the database orders them
            await Intake(self._database).take(list(_readable(letters.values())))
            stored += await self._forget_stored(letters)
        return Replayed(stored, await self._count())

    async def replay_once(self) -> None:
        """The same for nobody who waits for it: what came of it is logged, and a failure is left to the next time."""
        try:
            replayed = await self.replay()
        except LedgerFailed as error:
            log.warning("dead letters were not offered again: %s", error)
            return
        if replayed != Replayed(0, 0):
            log.warning(
                "of the dead letters %d are exchanges now, %d are left", replayed.stored, replayed.left
            )

    async def _after(self, cursor: str) -> dict[str, str]:
        """The next letters' documents by their exchanges' ids."""
        row = DeadLetterRow
        query = (
            select(row.exchange_id, row.document).where(row.exchange_id > cursor).order_by(row.exchange_id)
        )
        async with self._database.read() as connection:
            found = await connection.execute(query.limit(BATCH))
            return {letter.exchange_id: letter.document for letter in found}

    async def _forget_stored(self, ids: Iterable[str]) -> int:
        """Delete the letters whose exchanges the tables hold; how many they were."""
        held = select(ExchangeRow.id).where(ExchangeRow.id.in_(list(ids)))
        async with self._database.write() as connection:
            gone = await connection.execute(delete(DeadLetterRow).where(DeadLetterRow.exchange_id.in_(held)))
        return gone.rowcount

    async def _count(self) -> int:
        async with self._database.read() as connection:
            return int(
                (await connection.execute(select(func.count()).select_from(DeadLetterRow))).scalar_one()
            )


def _readable(documents: Iterable[str]) -> Iterable[Exchange]:
    """The exchanges in some letters; a letter that is none stays as it is."""
    for each in documents:
        try:
            yield document.read(each.encode())
        except ValueError:
            continue
