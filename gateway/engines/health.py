"""Watching engines: one task that asks every replica for its health, for as long as the gateway runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.engines.pool import Pool

EVERY_SECONDS = 2.0


@asynccontextmanager
async def watched(pool: Pool, every_seconds: float = EVERY_SECONDS) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that watches a pool; were it ever done before its context ends, something is broken."""
    task = asyncio.create_task(_watch(pool, every_seconds), name="engine health")
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(pool: Pool, every_seconds: float) -> None:
    while True:
        await pool.check()
        await asyncio.sleep(every_seconds)
