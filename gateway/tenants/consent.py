"""Whose exchanges may not be learnt from."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.tables import KeyRow


async def unwilling(connection: AsyncConnection) -> set[str]:
    """The keys that said no; one that was revoked since has still said so."""
    return set(await connection.scalars(select(KeyRow.id).where(KeyRow.learn.is_(False))))
