"""An engine of plain bytes: it takes any request, and answers with whatever pieces it is told, cut as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.engine import TOKENIZE, Asked, Script, frames_of, sse, whole_answer

CLOSED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
Json = dict[str, Any]


def sound(path: str, body: Json) -> list[bytes]:
    """What a sound engine answers, with as many choices as were asked for."""
    if body.get("n", 1) not in (*range(1, 17), None):
        body = {**body, "n": 1}
    if body.get("stream"):
        return [CLOSED, *(frames_of(body, Script()) if path.endswith("/chat/completions") else texts(body))]
    whole = {"count": 3} if path == TOKENIZE else whole_answer(Asked(body, {}, path), Script())
    raw = json.dumps(whole).encode()
    return [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(raw),
        raw,
    ]


def texts(body: Json) -> list[bytes]:
    """A stream of legacy completions."""
    choices = [
        {"index": index, "text": "Hello there.", "logprobs": None, "finish_reason": "stop"}
        for index in range(body.get("n") or 1)
    ]
    return [sse({"id": "cmpl-raw", "object": "text_completion", "choices": choices}), b"data: [DONE]\n\n"]


@dataclass
class RawEngine:
    """Answers every POST with `says`, and a GET with an empty list of models."""

    says: Callable[[str, Json], list[bytes]] = sound
    asked: list[Json] = field(default_factory=list)
    connections: set[asyncio.StreamWriter] = field(default_factory=set)
    port: int = 0
    keeps: bool = False  # its connections: after odd bytes nobody could tell where the next answer begins

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other end or an answer closes it."""
        self.connections.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def hang_up(self) -> None:
        """End every connection, and wait until nobody serves any."""
        for writer in self.connections:
            writer.transport.abort()
        async with asyncio.timeout(5):
            while self.connections:
                await asyncio.sleep(0.01)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        method, path, _ = head.split(b" ", 2)
        raw = await reader.readexactly(length)
        if method == b"GET":
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"data":[]}')
            return True
        self.asked.append(json.loads(raw))
        pieces = self.says(path.decode(), self.asked[-1])
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        await writer.drain()
        return self.keeps


@asynccontextmanager
async def raw_engine() -> AsyncIterator[RawEngine]:
    """One on a free port, on the loop of whoever asks."""
    engine = RawEngine()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    engine.port = server.sockets[0].getsockname()[1]
    async with server:
        yield engine
        await engine.hang_up()
