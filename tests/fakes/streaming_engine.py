"""An engine of thousands of streams, on the test's own loop: it knows what was read of each, and which were left."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.engine import chunk

Json = dict[str, Any]
Says = Callable[[str], AsyncIterator[str]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
EMPTY = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"data":[]}'


async def hello(question: str) -> AsyncIterator[str]:
    """A short answer to whatever was asked."""
    yield "Hello there."


@dataclass
class StreamingEngine:
    """Streams what `says` gives for a question, as fast as it is read; `sent` are bytes by question."""

    says: Says = hello
    sent: Counter[str] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: probes, and at most one stream, after which it is closed."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        raw = await reader.readexactly(length)
        if head.startswith(b"GET"):
            writer.write(EMPTY)
            return True
        body = json.loads(raw)
        question = body["messages"][-1]["content"]
        self.open[question] += 1
        leaving = asyncio.create_task(reader.read())
        try:
            await ended_with(leaving, self._stream(body, question, writer))
        finally:
            leaving.cancel()
            self.open[question] -= 1
        return False

    async def _stream(self, body: Json, question: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(body, 0, {"role": "assistant", "content": ""}))
        async for text in self.says(question):
            piece = chunk(body, 0, {"content": text})
            writer.write(piece)
            await writer.drain()
            self.sent[question] += len(piece)
        writer.write(chunk(body, 0, {}, "stop") + b"data: [DONE]\n\n")
        await writer.drain()


async def ended_with(leaving: "asyncio.Task[bytes]", work: Any) -> None:
    """Do something until it is done, or until whoever it is done for leaves."""
    working = asyncio.ensure_future(work)
    await asyncio.wait({leaving, working}, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        working.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await working


@asynccontextmanager
async def streaming_engine(says: Says = hello) -> AsyncIterator[StreamingEngine]:
    """One on a free port."""
    engine = StreamingEngine(says)
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0, backlog=4096)
    engine.port = server.sockets[0].getsockname()[1]
    try:
        yield engine
    finally:
        server.close()
