"""Work that goes on until somebody stops it, which is a clean end."""

import asyncio
import signal
from collections.abc import Coroutine


def run_until_stopped(work: Coroutine[None, None, None]) -> None:
    """Run until done, or until ctrl-C or SIGTERM cancels it."""

    async def cancellable() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    asyncio.run(cancellable())
