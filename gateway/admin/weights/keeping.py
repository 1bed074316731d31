"""Engines that hold other weights than they should, and swaps whose gateway died: found, and put right.

One that was started again holds what it was started with. It is asked nothing until it holds what it should.
"""

import asyncio
import logging
from contextlib import suppress

from gateway.admin.trail import Change
from gateway.admin.weights.book import Book
from gateway.admin.weights.plan import Move
from gateway.admin.weights.swapping import Follow, Swapper
from gateway.background import Running, running
from gateway.engines.contract import EngineFailed
from gateway.errors import ApiError, Conflict
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.tools import Tools

EVERY_SECONDS = 1.0
ACTOR = "gateway"
log = logging.getLogger(__name__)


class Keeper:
    """Looks again and again; what it has met twice in a row it puts right."""

    def __init__(self, tools: Tools, database: Database, follow: Follow) -> None:
        self._tools = tools
        self._book = Book(database)
        self._swapper = Swapper(tools, self._book, follow)
        self._met: list[Move] = []

    async def look(self) -> None:
        """Look once; raises ApiError, EngineFailed or LedgerFailed when nothing came of it."""
        running = await self._book.running()
        if running is not None:
            self._met = []
            if running.abandoned and await self._book.take_over(running):
                log.warning("a swap of weights, which another gateway left undone, is taken over")
                await self._swapper.run(running)
            return
        found = await self._amiss()
        again = bool(found) and found == self._met
        self._met = found
        if again:
            change = Change("swap", "", {}, {}, "engines get the weights that they should hold")
            swap = await self._book.begin(change, {}, ACTOR, None, allow_gap=False)
            await self._swapper.run(swap)

    async def _amiss(self) -> list[Move]:
        """What would have to be moved for all that is in force to be held."""
        for replica in self._tools.engine.weights.managed:
            if replica.up and replica.held is None:
                await replica.look_at_weights()
        with suppress(Conflict):  # fewer engines than are needed: nothing can be done before more are up
            return await self._swapper.planned("", {})
        return []


def kept(tools: Tools, database: Database, follow: Follow) -> Running:
    """The task that keeps engines' weights, for as long as the block lasts."""
    return running(_keep(Keeper(tools, database, follow)), "weights keeper")


async def _keep(keeper: Keeper) -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await keeper.look()
        except (ApiError, EngineFailed, LedgerFailed) as error:
            log.warning("engines could not be given the weights that they should hold: %s", error)
