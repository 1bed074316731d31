"""A client that goes away: whoever works for it is cancelled, and with that every call made on its behalf.

ClientLeft     nobody waits for the answer any more
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


async def read_body(receive: Any, most_bytes: int) -> bytes | None:
    """The request's body; None when it is larger than allowed. Raises ClientLeft."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most_bytes:
            return None
    return body


@asynccontextmanager
async def while_client_stays(receive: Any) -> AsyncIterator[None]:
    """Cancel what is done inside as soon as the client leaves, and raise ClientLeft in its place.

    The response must not be completed inside: to ASGI a completed response looks like a client that left.
    """
    work = asyncio.current_task()
    assert work is not None
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        work.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except BaseException:
        if left:
            work.uncancel()
            raise ClientLeft from None
        raise
    finally:
        watcher.cancel()
