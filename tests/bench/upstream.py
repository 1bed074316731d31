"""An engine that costs nothing: one asyncio.Protocol that answers every chat completion with the same bytes.

python -m tests.bench.upstream PORT
"""

import asyncio
import json
import re
import sys
from typing import cast

import uvloop

TEXT = "The capital of France is Paris. It lies on the Seine and has been the seat of government for long."
CHUNKS = 32
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
STREAMED = re.compile(rb'"stream": *true')


def completion() -> bytes:
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 24, "completion_tokens": 24, "total_tokens": 48}
    body = json.dumps({**envelope("chat.completion"), "choices": [choice], "usage": usage}).encode()
    return head(b"application/json", b"content-length: %d" % len(body)) + body


def stream() -> bytes:
    deltas = [{"role": "assistant", "content": ""}, *({"content": f" word{n % 10}"} for n in range(CHUNKS))]
    frames = [chunk(delta, None) for delta in deltas] + [chunk({}, "stop"), b"data: [DONE]\n\n"]
    body = b"".join(b"%x\r\n%s\r\n" % (len(frame), frame) for frame in frames) + b"0\r\n\r\n"
    return head(b"text/event-stream", b"transfer-encoding: chunked") + body


def chunk(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return (
        b"data: " + json.dumps({**envelope("chat.completion.chunk"), "choices": [choice]}).encode() + b"\n\n"
    )


def envelope(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-bench", "object": kind, "created": 1767225600, "model": "base"}


def head(kind: bytes, framing: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n" % (kind, framing)


PLAIN, STREAM = completion(), stream()
MODELS = b'{"object":"list","data":[{"id":"base","object":"model"}]}'
OTHER = head(b"application/json", b"content-length: %d" % len(MODELS)) + MODELS


class Engine(asyncio.Protocol):
    """One connection, requests one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end + 2)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < stop:
                return
            asked, self.buffer = self.buffer[:stop], self.buffer[stop:]
            if asked.startswith(b"GET"):
                self.transport.write(OTHER)
            else:
                self.transport.write(STREAM if STREAMED.search(asked) else PLAIN)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
