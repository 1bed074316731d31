"""Work beside the requests: each task is owned by a block, and none outlives it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

Running = AbstractAsyncContextManager["asyncio.Task[None]"]


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that works for as long as the block lasts; what it died of is raised at the block's end."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
