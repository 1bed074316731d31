"""Who holds a connection that is closing: whoever still takes bytes, and nobody else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.clock import clock_of
from gateway.serving.reading import Reading

SECONDS = 0.3
SMALL = 4096
SAID = b"x" * 60_000  # less than makes a transport pause, more than the kernel takes


class Farewell(asyncio.Protocol):
    """Says its piece, and closes."""

    def __init__(self, over: asyncio.Event) -> None:
        self._over = over

    def connection_made(self, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        transport.write(SAID)
        transport.close()
        Reading(transport, clock_of(asyncio.get_running_loop()), SECONDS).watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over.set()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[socket.socket, asyncio.Event]]:
    """A client with a small buffer, and whether the other end has let go of it."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Farewell(over), "127.0.0.1", 0)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    client.setblocking(False)
    with client:
        await loop.sock_connect(client, server.sockets[0].getsockname())
        yield client, over
    server.close()


async def test_who_takes_nothing_is_let_go() -> None:
    async with connected() as (_, over), asyncio.timeout(30):
        await over.wait()


async def test_who_takes_a_little_at_a_time_gets_all_of_it() -> None:
    got, loop = 0, asyncio.get_running_loop()
    async with connected() as (client, over), asyncio.timeout(30):
        while said := await loop.sock_recv(client, SMALL):
            got += len(said)
            await asyncio.sleep(SECONDS / 5)
        await over.wait()
    assert got == len(SAID)
