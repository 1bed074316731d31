"""Retired versions that engines still hold: unloaded once nobody uses them, whatever cut their retirement off."""

import asyncio
import logging
from contextlib import suppress

from gateway.admin.versions import Versions
from gateway.background import Running, running
from gateway.engines.contract import EngineFailed
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.tools import Tools

EVERY_SECONDS = 60.0
log = logging.getLogger(__name__)


class Reclaimer:
    """Unloads what it has met at two looks in a row.

    One look is not enough: a retired version that is being staged again, by this gateway or by another, is
    loaded a moment before it counts as staged. What is in flight on it through another gateway, engines finish.
    """

    def __init__(self, tools: Tools, database: Database) -> None:
        self._tools = tools
        self._versions = Versions(database)
        self._met: frozenset[str] = frozenset()

    async def look(self) -> None:
        """Look once; raises EngineFailed when no engine can be asked, LedgerFailed when the ledger cannot."""
        idle = await self._idle()
        self._met, again = idle - self._met, idle & self._met
        for model in sorted(again):
            await self._tools.engine.unload_adapter(model)
            log.info("a retired version was unloaded", extra={"fields": {"version": model}})

    async def _idle(self) -> frozenset[str]:
        """The retired versions that engines list, and on which nothing is in flight here."""
        listed = await self._tools.engine.models()
        retired = (each for each in await self._versions.all() if each.state == "retired")
        in_flight = self._tools.router.in_flight
        return frozenset(each.model for each in retired if each.model in listed and not in_flight(each.id))


def reclaimed(tools: Tools, database: Database, every_seconds: float = EVERY_SECONDS) -> Running:
    """The task that looks again and again, for as long as the block lasts."""
    return running(_keep_looking(Reclaimer(tools, database), every_seconds), "reclaimer")


async def _keep_looking(reclaimer: Reclaimer, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        with suppress(EngineFailed, LedgerFailed):  # both are watched, and told of, elsewhere
            await reclaimer.look()
