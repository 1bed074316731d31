"""The ledger, as commands open it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from finetune.errors import Unready
from finetune.settings import Situation
from gateway.ledger.database import Database


@asynccontextmanager
async def ledger(situation: Situation, *, new: bool = False) -> AsyncIterator[Database]:
    """The ledger's database; raises Unready where there is none yet, unless it may be made."""
    database = Database(situation.gateway.ledger_url)
    if database.missing and not new:
        told = f"there is no ledger at {database.name}, and so nothing to learn from: start `trimtab up` and ask it "
        raise Unready(told + "something, or say with --home or --config where its ledger is")
    async with database:
        yield database
