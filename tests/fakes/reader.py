"""A client of plain bytes, of which thousands fit into a test: it reads when it is told to, or never."""

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass
class Reader:
    """One request that was sent, and its answer as far as it was read."""

    stream: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] | None = None

    async def head(self) -> "Reader":
        """Wait for the answer's status and headers; status 0 where the connection ended without."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            raw = (await self.stream.readuntil(b"\r\n\r\n")).decode()
            first, *lines = raw.splitlines()
            self.status = int(first.split()[1])
            pairs = (line.partition(": ") for line in lines if line)
            self.headers = {name.lower(): value for name, _, value in pairs}
        return self

    def header(self, name: str) -> str:
        """A header's value; empty where there is none."""
        return (self.headers or {}).get(name, "")

    async def rest(self) -> bytes:
        """All that comes until the connection ends."""
        said = b""
        with suppress(ConnectionError):
            said = await self.stream.read()
        await self.leave()
        return said

    async def leave(self) -> None:
        """Hang up, at once."""
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def asked(port: int, key: str, question: str, *, read_buffer: int | None = None, **body: Any) -> Reader:
    """Ask for a stream over a connection of its own, of which the kernel takes in `read_buffer` bytes unread."""
    client = socket.socket()
    if read_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_buffer)
    client.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    except BaseException:
        client.close()
        raise
    stream, writer = await asyncio.open_connection(sock=client)
    messages = [{"role": "user", "content": question}]
    raw = json.dumps({"model": "assistant", "stream": True, "messages": messages, **body}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
    writer.write(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
    return Reader(stream, writer)
