"""An engine that costs nothing: one asyncio.Protocol that answers every completion with the same words.

    python -m tests.bench.upstream PORT

POST /__set?chunks=64&delay_ms=5&first_chars=0 changes how it streams: so many chunks, so far apart, and how long
the first one is. Every chunk is a write of its own.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import uvloop

TEXT = (
    "The capital of France is Paris. It lies on the Seine and has been the seat of government, "
    "with short interruptions, since the tenth century."
)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
STREAMED = re.compile(rb'"stream": *true')
USAGE = re.compile(rb'"include_usage": *true')
ENVELOPE = {"created": 1767225600, "model": "bench", "system_fingerprint": "fp_mock"}


@dataclass
class Manner:
    """How it streams now."""

    chunks: int = 64
    delay_ms: float = 0.0
    first_chars: int = 0


MANNER = Manner()


def whole(kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind, len(body), body)


def completion() -> bytes:
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 24, "completion_tokens": 29, "total_tokens": 53}
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        **ENVELOPE,
        "choices": [choice],
        "usage": usage,
    }
    return whole(b"application/json", json.dumps(body, separators=(",", ":")).encode())


def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return frame({"id": "chatcmpl-bench", "object": "chat.completion.chunk", **ENVELOPE, "choices": [choice]})


def frame(told: dict[str, object] | None) -> bytes:
    data = b"[DONE]" if told is None else json.dumps(told, separators=(",", ":")).encode()
    data = b"data: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
ROLE = chunk({"role": "assistant", "content": ""})
WORDS = [chunk({"content": f" word{number}"}) for number in range(10)]
STOP = chunk({}, "stop")
SPENT = {"prompt_tokens": 24, "completion_tokens": 64, "total_tokens": 88}
USED = frame(
    {"id": "chatcmpl-bench", "object": "chat.completion.chunk", **ENVELOPE, "choices": [], "usage": SPENT}
)
END = frame(None) + b"0\r\n\r\n"
PLAIN = completion()
OTHER = whole(b"application/json", b'{"object":"list","data":[{"id":"bench","object":"model"}]}')


class Engine(asyncio.Protocol):
    """One connection, requests one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer, self.open = cast("asyncio.Transport", transport), b"", True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end + 2)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < stop:
                return
            asked, self.buffer = self.buffer[:stop], self.buffer[stop:]
            self.answer(asked)

    def answer(self, asked: bytes) -> None:
        target = asked.split(b" ", 2)[1].decode()
        if target.startswith("/__set"):
            for name, value in parse_qsl(urlsplit(target).query):
                setattr(MANNER, name, type(getattr(MANNER, name))(float(value)))
            self.transport.write(OTHER)
        elif asked.startswith(b"GET"):
            self.transport.write(OTHER)
        elif STREAMED.search(asked):
            asyncio.get_running_loop().create_task(self.stream(USAGE.search(asked) is not None))
        else:
            self.transport.write(PLAIN)

    async def stream(self, usage: bool) -> None:
        """At a fixed schedule, so that a stream's length does not drift."""
        began, delay = time.perf_counter(), MANNER.delay_ms / 1000
        first = chunk({"content": "x " * (MANNER.first_chars // 2)}) if MANNER.first_chars else b""
        self.transport.write(HEAD + ROLE + first)
        for number in range(MANNER.chunks):
            if delay:
                await asyncio.sleep(max(0.0, began + delay * (number + 1) - time.perf_counter()))
            if not self.open:
                return
            self.transport.write(WORDS[number % 10])
        self.transport.write(STOP + (USED if usage else b"") + END)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
