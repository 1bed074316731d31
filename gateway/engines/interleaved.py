"""Several streams as one: whatever comes next from any of them."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def interleaved(streams: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """What comes next from any stream, and whose it is; of each, what comes next is waited for and nothing kept."""
    waiting = {asyncio.ensure_future(anext(each, None)): place for place, each in enumerate(streams)}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for call in done:
                said, place = call.result(), waiting.pop(call)
                if said is not None:
                    yield place, said
                    waiting[asyncio.ensure_future(anext(streams[place], None))] = place
    finally:
        await stopped(waiting)
        for each in streams:
            await each.aclose()


async def stopped(calls: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel what still runs, and wait until it has hung up."""
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
