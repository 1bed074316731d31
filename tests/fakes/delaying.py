"""A TCP proxy that holds back what the server says, so that a quick server can be a slow one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


@dataclass
class Delaying:
    """Passes bytes on; those of the server `seconds` late."""

    server_port: int
    seconds: float = 0.0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        try:
            with suppress(ConnectionError):
                behind, ahead = await asyncio.open_connection("127.0.0.1", self.server_port)
                asking = asyncio.create_task(passed(reader, ahead, self, late=False))
                await passed(behind, writer, self, late=True)
                asking.cancel()
                ahead.close()
        finally:
            writer.close()


async def passed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: Delaying, *, late: bool
) -> None:
    """Pass on what one end says, until it closes."""
    with suppress(ConnectionError):
        while said := await reader.read(65_536):
            if late and how.seconds:
                await asyncio.sleep(how.seconds)
            writer.write(said)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def delaying(server_port: int) -> AsyncIterator[Delaying]:
    """One on a free port, before a server that need not be there."""
    proxy = Delaying(server_port)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
