"""The sweep of stored answers: what has expired is deleted now and then, for as long as the gateway runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.ledger.contract import LedgerFailed
from gateway.ledger.responses import Responses

EVERY_SECONDS = 600.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def swept(responses: Responses) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that sweeps."""
    task = asyncio.create_task(_sweep(responses), name="response expiry")
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sweep(responses: Responses) -> None:
    while True:
        try:
            await responses.sweep()
        except LedgerFailed as error:
            log.warning("expired responses stay until the database is back: %s", error)
        await asyncio.sleep(EVERY_SECONDS)
