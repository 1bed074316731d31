"""A closed loop of requests: so many connections, each asking again as soon as it was answered."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import cast

import httptools

QUESTION = "What is the capital of France, and since when has it been the seat of government?"


@dataclass
class Load:
    """What a stage asks: `connections` at once, plain or streamed, for `seconds`."""

    name: str
    connections: int
    streamed: bool
    seconds: float


@dataclass
class Figures:
    """What came of it: seconds per request, sorted, and the time that all took."""

    latencies: list[float] = field(default_factory=list)
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0  # of the server

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.wall_seconds

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


class Connection(asyncio.Protocol):
    """One connection that asks the same thing again and again."""

    def __init__(self, request: bytes, until: float, latencies: list[float]) -> None:
        self._request, self._until, self._latencies = request, until, latencies
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self._latencies.append(now - self._began)
        if self._parser.get_status_code() != 200 or b"rror" in self._body[-1]:
            self._finish(RuntimeError(f"a request failed: {b''.join(self._body)[:300]!r}"))
        elif now < self._until:
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("the server hung up"))

    def _finish(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
            self._transport.close()


async def run(load: Load, port: int, key: str) -> Figures:
    """Ask; raises when anything but a whole answer comes."""
    figures = Figures()
    began = time.perf_counter()
    connections = []
    for _ in range(load.connections):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(request_of(load, key), began + load.seconds, figures.latencies),
            "127.0.0.1",
            port,
        )
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    figures.wall_seconds = time.perf_counter() - began
    figures.latencies.sort()
    return figures


def request_of(load: Load, key: str) -> bytes:
    """The whole HTTP request."""
    messages = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": QUESTION}]
    body = json.dumps(
        {"model": "assistant", "messages": messages, "max_tokens": 64, "stream": load.streamed}
    ).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    return f"{head}authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
