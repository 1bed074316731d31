"""Every gateway looks after what is lent: what nobody needs asleep any more is woken, again and again."""

import asyncio
import logging

from gateway.admin.drains import Word, latest_in
from gateway.admin.lending import Return, alive, give_back
from gateway.background import Running, running
from gateway.errors import ApiError, Conflict
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.tools import Tools

EVERY_SECONDS = 5.0
ACTOR = "gateway"
log = logging.getLogger(__name__)


async def look(tools: Tools, database: Database) -> None:
    """Give back what is lent to a run that nobody holds any more, or was not woken yet; raises LedgerFailed."""
    async with database.read() as connection:
        words = await latest_in(connection, [each.name for each in tools.engine.replicas])
    for name, word in words.items():
        if word.returning or (word.lent_to and not await alive(database, word.lent_to)):
            await _woken(tools, database, name, word)


async def _woken(tools: Tools, database: Database, name: str, word: Word) -> None:
    """Give one back; that one does not wake keeps no other asleep."""
    cause = (
        f"{word.returning} is done with it"
        if word.returning
        else f"{word.lent_to} is over, or its worker is gone"
    )
    try:
        await give_back(tools, database, tools.engine.replica(name), word, Return(cause, ACTOR))
    except Conflict as error:
        log.info(
            "engine %s is not taken back: %s", name, error
        )  # another gateway was faster, or it is lent again
    except ApiError as error:
        log.warning("an engine that was lent cannot be given back yet: %s", error)
    else:
        log.warning("engine %s, which was left asleep, is woken: %s", name, cause)


def loans_watched(tools: Tools, database: Database, every_seconds: float = EVERY_SECONDS) -> Running:
    """The task that looks again and again, for as long as the block lasts."""
    return running(_keep_looking(tools, database, every_seconds), "loans of engines")


async def _keep_looking(tools: Tools, database: Database, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await look(tools, database)
        except LedgerFailed as error:
            log.warning("whether engines that are lent can be given back is not known: %s", error)
