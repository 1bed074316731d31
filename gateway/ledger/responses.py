"""Answers of the Responses API, kept for the key that asked until they expire or are deleted.

ConversationTooLong     the answers that lead to one hold more text than was asked for
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select

from gateway.ledger import jsontext
from gateway.ledger.contract import LedgerFailed, LedgerUnavailable, NotInLedger
from gateway.ledger.database import Database
from gateway.ledger.tables import ResponseRow

Json = dict[str, Any]
PATIENCE_SECONDS = 5.0  # a client waits for this before it gets its answer's last byte
AT_ONCE = 500  # expired rows that one transaction deletes: others wait to write meanwhile


class ConversationTooLong(LedgerFailed):
    """The answers that lead to one hold more text than was asked for."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One answer and the items that were its input, as they may be written down."""

    id: str
    key_id: str
    response: Json
    input: list[Json]
    previous_id: str | None = None

    @property
    def items(self) -> list[Json]:
        """What it adds to a conversation."""
        return [*self.input, *self.response["output"]]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long answers are kept, and how large one may be with its input."""

    lifetime: timedelta
    max_bytes: int


class Responses:
    """The answers in a database; whoever asks sees those of one key."""

    def __init__(self, database: Database, keeping: Keeping) -> None:
        self._database = database
        self._keeping = keeping

    async def keep(self, stored: Stored) -> None:
        """Store an answer durably before this returns; raises LedgerFailed when that cannot be."""
        row = row_of(stored, datetime.now(UTC), self._keeping.lifetime)
        if len(jsontext.dumps(stored.response)) + row["size"] > self._keeping.max_bytes:
            raise LedgerFailed("the answer and its input are larger than what is kept")
        async with _in_time(), self._database.write() as connection:
            await connection.execute(insert(ResponseRow), [row])

    async def get(self, response_id: str, key_id: str) -> Stored:
        """One answer; raises NotInLedger where this key has none of that id."""
        for found in await self.among([response_id], key_id):
            return found
        raise _missing(response_id)

    async def among(self, response_ids: Collection[str], key_id: str) -> list[Stored]:
        """Those of the ids that this key has."""
        wanted = select(*ResponseRow.__table__.columns).where(
            ResponseRow.id.in_(response_ids), *_visible(key_id)
        )
        async with _in_time(), self._database.read() as connection:
            return [stored_in(row) for row in (await connection.execute(wanted)).mappings()]

    async def conversation(self, response_id: str, key_id: str, most_bytes: int) -> list[Json]:
        """All items up to an answer, its own included, the oldest first.

        Raises NotInLedger where this key lacks one of the answers before it, and ConversationTooLong.
        """
        items: list[Json] = []
        before: str | None = response_id
        size = 0
        for row in await self._line(response_id, key_id, most_bytes):
            items = [*row["input"], *row["output"], *items]
            before, size = row["previous_id"], row["so_far"]
        if size > most_bytes:
            raise ConversationTooLong(f"a conversation may have at most {most_bytes} bytes")
        if before is not None:
            raise _missing(before)
        return items

    async def _line(self, response_id: str, key_id: str, most_bytes: int) -> list[Mapping[str, Any]]:
        """An answer and those that led to it, the newest first; ends with what goes beyond the bound."""
        row = ResponseRow
        columns = (row.previous_id, row.input, row.output)
        newest = select(*columns, row.size.label("so_far")).where(row.id == response_id, *_visible(key_id))
        line = newest.cte("line", recursive=True)
        before = select(*columns, row.size + line.c.so_far).join(line, row.id == line.c.previous_id)
        line = line.union_all(before.where(line.c.so_far <= most_bytes, *_visible(key_id)))
        async with _in_time(), self._database.read() as connection:
            rows = await connection.execute(select(line).order_by(line.c.so_far))
            return [dict(each) for each in rows.mappings()]

    async def delete(self, response_id: str, key_id: str) -> None:
        """Forget an answer for good; raises NotInLedger where this key has none of that id."""
        one = delete(ResponseRow).where(ResponseRow.id == response_id, *_visible(key_id))
        async with _in_time(), self._database.write() as connection:
            gone = (await connection.execute(one)).rowcount
        if not gone:
            raise _missing(response_id)

    async def sweep(self) -> None:
        """Delete what has expired."""
        old = select(ResponseRow.id).where(ResponseRow.expires_at <= datetime.now(UTC)).limit(AT_ONCE)
        gone = AT_ONCE
        while gone == AT_ONCE:
            async with self._database.write() as connection:
                gone = (await connection.execute(delete(ResponseRow).where(ResponseRow.id.in_(old)))).rowcount


def row_of(stored: Stored, now: datetime, lifetime: timedelta) -> Json:
    """The row of an answer: its output stands beside the rest, where a conversation finds it."""
    response = dict(stored.response)
    output = response.pop("output")
    return {
        "id": stored.id,
        "key_id": stored.key_id,
        "previous_id": stored.previous_id,
        "response": response,
        "input": stored.input,
        "output": output,
        "size": len(jsontext.dumps(stored.items)),
        "created_at": now,
        "expires_at": now + lifetime,
    }


def stored_in(row: Mapping[Any, Any]) -> Stored:
    """The answer in a row."""
    response = {**row["response"], "output": row["output"]}
    return Stored(row["id"], row["key_id"], response, row["input"], row["previous_id"])


def _visible(key_id: str) -> tuple[ColumnElement[bool], ...]:
    return ResponseRow.key_id == key_id, ResponseRow.expires_at > datetime.now(UTC)


def _missing(response_id: str) -> NotInLedger:
    return NotInLedger(f"there is no response {response_id[:100]!r}")


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Raises LedgerUnavailable for a database that takes longer than anybody should wait."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except TimeoutError as error:
        raise LedgerUnavailable(f"the database took more than {PATIENCE_SECONDS:g} s") from error
