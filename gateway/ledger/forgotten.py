"""Exchanges of subjects who were erased while these were still on their way to the ledger: they are left out."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.exchange import Exchange
from gateway.ledger.learning_tables import ErasureRow


async def forgotten(connection: AsyncConnection, exchanges: Iterable[Exchange]) -> set[str]:
    """The ids of those that were made before their subject was erased; what came after is somebody's new word."""
    named = [each for each in exchanges if each.subject is not None]
    if not named:
        return set()
    digests = {each.id: digest_of(str(each.subject)) for each in named}
    row, until = ErasureRow, dict[str, datetime]()
    query = select(row.subject_digest, row.created_at).where(row.subject_digest.in_(set(digests.values())))
    for digest, when in await connection.execute(query.order_by(row.created_at)):
        until[digest] = when
    return {
        each.id for each in named if digests[each.id] in until and each.created_at <= until[digests[each.id]]
    }


def digest_of(subject: str) -> str:
    """What a subject is remembered by."""
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
