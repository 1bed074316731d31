"""Work beside the requests: each task is owned by a block, and none outlives it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

Running = AbstractAsyncContextManager["asyncio.Task[None]"]
PATIENCE_SECONDS = 10.0
log = logging.getLogger(__name__)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that works for as long as the block lasts; what it died of is raised where the block ended well."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    except BaseException:  # the block's own error goes on, a cancellation among them
        await _ended(task)
        _mention(task)
        raise
    await _ended(task)
    if (death := _death_of(task)) is not None:
        raise death


async def _ended(task: "asyncio.Task[None]") -> None:
    """Cancel it and wait for its end; whoever is cancelled meanwhile waits too, and is cancelled then."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _death_of(task: "asyncio.Task[None]") -> BaseException | None:
    return None if task.cancelled() else task.exception()


def _mention(task: "asyncio.Task[None]") -> None:
    if (death := _death_of(task)) is not None:
        log.error("%s had died", task.get_name(), exc_info=death)


async def unbroken(work: Coroutine[Any, Any, None], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """What a cancellation of its owner does not break off at once: it has some seconds to end by itself.

    A transaction that is broken off may have been committed or not, so that it can neither be kept nor be repeated.
    """
    task = asyncio.create_task(work, name=getattr(work, "__qualname__", "unbroken work"))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_mention)  # its owner hears of nothing but the cancellation
        await asyncio.wait([task], timeout=patience_seconds)
        raise
    finally:
        task.cancel()
