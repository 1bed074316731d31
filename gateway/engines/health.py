"""Watching engines: one task that asks every replica for its health, for as long as the gateway runs."""

import asyncio

from gateway.background import Running, running
from gateway.engines.pool import Pool

EVERY_SECONDS = 2.0


def watched(pool: Pool, every_seconds: float = EVERY_SECONDS) -> Running:
    """The task that watches a pool; were it ever done before its context ends, something is broken."""
    return running(_watch(pool, every_seconds), "engine health")


async def _watch(pool: Pool, every_seconds: float) -> None:
    while True:
        await pool.check()
        await asyncio.sleep(every_seconds)
