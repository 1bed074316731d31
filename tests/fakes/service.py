"""A service that guards ask: a real HTTP server which answers as it is scripted, and remembers what it was asked."""

import asyncio
import json
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

from aiohttp import web

from guards.services import Service

Json = dict[str, Any]
Says = Callable[[str, Json], Any]


@dataclass
class FakeService:
    """Answers every POST with what `says` makes of its path and body: JSON, bytes, or a status."""

    says: Says = lambda path, body: {}
    url: str = ""
    asked: list[Json] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    seconds: float = 0.0  # that every answer takes
    waiting: int = 0  # how many wait for their answer now,
    most_waiting: int = 0  # and how many did at once
    abandoned: int = 0  # requests whose asker left

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        self.asked.append(body)
        self.bodies.append(raw)
        self.paths.append(request.path)
        self.headers.append(request.headers)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.abandoned += 1
            raise
        finally:
            self.waiting -= 1
        told = self.says(request.path, body)
        if isinstance(told, int):
            return web.Response(status=told, text=json.dumps({"error": {"message": raw.decode()}}))
        return web.Response(body=told if isinstance(told, bytes) else json.dumps(told).encode())

    def service(self, name: str = "guards", **how: Any) -> Service:
        """It as the settings would name it; to be closed."""
        return Service(name, self.url, **how)


@asynccontextmanager
async def fake_service(says: Says | None = None) -> AsyncIterator[FakeService]:
    """One on a free port, on the loop of whoever asks."""
    fake = FakeService(says) if says else FakeService()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/{path:.*}", fake.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()


Tokens = Sequence[
    str | Mapping[str, float]
]  # a certain token, or probabilities of which the first was sampled


def completion(tokens: Tokens, *, told: bool = True) -> Json:
    """An engine's chat answer of these tokens, with the probabilities of each unless it tells none."""
    steps = [{step: 1.0} if isinstance(step, str) else dict(step) for step in tokens]
    text = "".join(next(iter(step)) for step in steps)
    content = [
        {
            "token": next(iter(step)),
            "logprob": math.log(next(iter(step.values()))),
            "top_logprobs": [{"token": token, "logprob": math.log(share)} for token, share in step.items()],
        }
        for step in steps
    ]
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "logprobs": {"content": content} if told else None}]}


def text_completion(tokens: Tokens) -> Json:
    """The same of the legacy route."""
    chat = completion(tokens)["choices"][0]
    steps = chat["logprobs"]["content"]
    logprobs = {
        "tokens": [step["token"] for step in steps],
        "token_logprobs": [step["logprob"] for step in steps],
        "top_logprobs": [{each["token"]: each["logprob"] for each in step["top_logprobs"]} for step in steps],
    }
    return {"choices": [{"index": 0, "text": chat["message"]["content"], "logprobs": logprobs}]}


@contextmanager
def service_apart(says: Says | None = None) -> Iterator[FakeService]:
    """One on a loop of its own, for tests that have none."""
    ready: Queue[FakeService] = Queue()
    over = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with fake_service(says) as fake:
            ready.put(fake)
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield ready.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
