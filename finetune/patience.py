"""Waiting for a ledger that is away: a database that restarts must not cost an hour of training."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.ledger.contract import LedgerUnavailable

PAUSE_SECONDS = 0.5

T = TypeVar("T")


async def while_away(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """The work's result, tried again for so long while the ledger is away; then raises LedgerUnavailable."""
    until = time.monotonic() + seconds
    while True:
        try:
            return await work()
        except LedgerUnavailable:
            if time.monotonic() + PAUSE_SECONDS > until:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
