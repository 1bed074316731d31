"""Waiting for what is away: a database or a gateway that restarts must not cost an hour of training."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.ledger.contract import LedgerUnavailable

PAUSE_SECONDS = 0.5

T = TypeVar("T")


async def while_away(
    work: Callable[[], Awaitable[T]], seconds: float, away: type[Exception] = LedgerUnavailable
) -> T:
    """The work's result, tried again for so long while the ledger is away, or what else tells it by `away`."""
    until = time.monotonic() + seconds
    while True:
        try:
            return await work()
        except away:
            if time.monotonic() + PAUSE_SECONDS > until:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
