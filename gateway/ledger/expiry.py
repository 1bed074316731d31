"""The sweep of stored answers: what has expired is deleted now and then, for as long as the gateway runs."""

import asyncio
import logging

from gateway.background import Running, running
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.responses import Responses

EVERY_SECONDS = 600.0

log = logging.getLogger(__name__)


def swept(responses: Responses) -> Running:
    """The task that sweeps."""
    return running(_sweep(responses), "response expiry")


async def _sweep(responses: Responses) -> None:
    while True:
        try:
            await responses.sweep()
        except LedgerFailed as error:
            log.warning("expired responses stay until the database is back: %s", error)
        await asyncio.sleep(EVERY_SECONDS)
