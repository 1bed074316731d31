"""A closed loop of requests: so many connections, each asking again as soon as it was answered."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools

QUESTION = (
    "What is the capital of France, since when has it been the seat of government? This is question %06d."
)
CONTENT = re.compile(rb'"content": ?"[^"]')


@dataclass(frozen=True)
class Load:
    """What a stage asks: `connections` at once, plain or streamed, for `seconds`."""

    name: str
    connections: int
    streamed: bool
    seconds: float
    delay_ms: float = 0.0  # between an engine's chunks
    first_chars: int = 0  # of an engine's first chunk
    fresh: bool = True  # every question another; or the same over and over


@dataclass(frozen=True)
class Target:
    """Where to ask, and as whom."""

    port: int
    model: str = "bench"
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"


@dataclass
class Figures:
    """What came of it: seconds per request and to the first words, sorted, and the time that all took."""

    latencies: list[float] = field(default_factory=list)
    first_words: list[float] = field(default_factory=list)
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0  # of the server

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.wall_seconds

    def percentile(self, share: float) -> float:
        return at(self.latencies, share)

    def first_word(self, share: float) -> float:
        return at(self.first_words, share)


def at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Connection(asyncio.Protocol):
    """One connection that asks again and again, every time something else."""

    def __init__(self, requests: Iterator[bytes], until: float, figures: Figures) -> None:
        self._requests, self._until, self._figures = requests, until, figures
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._last, self._spoken = b"", False
        self._began = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self._spoken and CONTENT.search(body):
            self._spoken = True
            self._figures.first_words.append(time.perf_counter() - self._began)
        self._last = body

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self._figures.latencies.append(now - self._began)
        if self._parser.get_status_code() != 200 or not self._spoken or b'"error"' in self._last:
            self._finish(RuntimeError(f"a request failed: {self._last[:300]!r}"))
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


async def run(load: Load, target: Target) -> Figures:
    """Ask; raises when anything but a whole answer comes."""
    figures, requests = Figures(), requests_of(load, target)
    began = time.perf_counter()
    connections = []
    for _ in range(load.connections):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(requests, began + load.seconds, figures), "127.0.0.1", target.port
        )
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    figures.wall_seconds = time.perf_counter() - began
    figures.latencies.sort()
    figures.first_words.sort()
    return figures


numbers = itertools.count(1)  # over all loads: no server is asked the same twice, unless that is wanted


def requests_of(load: Load, target: Target) -> Iterator[bytes]:
    """Whole HTTP requests, whose question is new each time and always as long."""
    messages = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": QUESTION}]
    asked = {"model": target.model, "messages": messages, "max_tokens": 128, "stream": load.streamed}
    body = json.dumps(asked, separators=(",", ":")).encode()
    headers = {"host": "bench", "content-type": "application/json", **target.headers}
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {target.path} HTTP/1.1\r\n{told}content-length: {len(body) + 2}\r\n\r\n".encode()
    return (head + body % (number % 1_000_000 if load.fresh else 0) for number in numbers)
