"""Looks at rollouts every so often, whatever becomes of a look."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

from finetune.errors import FinetuneFailed
from finetune.faults import faults_told
from gateway.background import running
from gateway.ledger.contract import LedgerFailed

log = logging.getLogger(__name__)


@dataclass
class Looking:
    """One look after another; what one dies of is told once, until there is one that ends well."""

    look: Callable[[], Awaitable[object]]
    every_seconds: float
    lost: bool = False

    async def once(self) -> None:
        """One look; what goes wrong is told, and left to the next."""
        try:
            with faults_told():
                await self.look()
        except (FinetuneFailed, LedgerFailed) as error:
            if not self.lost:  # a ledger that restarts fails in one way after another
                log.warning("rollouts stand still: %s; asking on every %g s", error, self.every_seconds)
            self.lost = True
            return
        if self.lost:
            log.info("rollouts can be looked at again")
        self.lost = False

    async def forever(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(self.every_seconds)

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Look on while the block lasts, and once before it: a block may be short."""
        await self.once()
        async with running(self.forever(), "rollouts"):
            yield
