"""Clients that never stop asking, and what they were told: by which version, when, and how evenly.

Each known prompt has one greedy answer per version, its fingerprint: an answer that is not the fingerprint of the
version that it names was mixed of two, or computed from keys and values of another.
"""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.bench.loop.swapping.stack import Engine, Stack

# Long enough to fill many blocks of an engine's prefix cache, and the same for every prompt.
OPENING = "Sure! First you take flour, water and salt. How do I do it? " * 20
PROMPTS = tuple(f"{OPENING}{word}" for word in ("Now?", "Then what?", "And the salt?", "How do I help?"))
TOKENS = 32
FIRM = 0.001  # by how much more likely, in nats: far more than the company in a batch changes in float32
STREAMING, PLAIN = 16, 16
Fingerprints = Mapping[str, tuple[str, ...]]


def asking(model: str, prompt: int) -> dict[str, Any]:
    """A known prompt, to be answered greedily and at full length."""
    message = {"role": "user", "content": PROMPTS[prompt]}
    return {
        "model": model,
        "messages": [message],
        "max_tokens": TOKENS,
        "temperature": 0.0,
        "ignore_eos": True,
    }


def spoken(engine: Engine, model: str) -> tuple[str, ...] | None:
    """A model's greedy answers to the known prompts; None when any token was hardly likelier than the next."""
    said = [engine.ask(asking(model, prompt)) for prompt in range(len(PROMPTS))]
    return tuple(text for text, _ in said) if min(lead for _, lead in said) > FIRM else None


@dataclass(frozen=True)
class Told:
    """One answer, or the failure in its place; times are monotonic."""

    prompt: int
    began: float
    ended: float
    version: str = ""
    text: str = ""
    error: str = ""
    pieces: tuple[float, ...] = ()  # when each piece of a stream came


@dataclass
class Load:
    """What all clients were told so far."""

    stack: Stack
    told: list[Told] = field(default_factory=list)

    async def ask_on(self, number: int, *, stream: bool) -> None:
        """One client, until cancelled."""
        headers = {"authorization": f"Bearer {self.stack.key}"}
        turn = number
        async with httpx.AsyncClient(
            base_url=self.stack.url, headers=headers, timeout=120, trust_env=False
        ) as http:
            while True:
                turn += 1
                self.told.append(await once(http, turn % len(PROMPTS), f"{number}-{turn}", stream=stream))


@asynccontextmanager
async def under_load(stack: Stack, streaming: int = STREAMING, plain: int = PLAIN) -> AsyncIterator[Load]:
    """The clients, for as long as the block lasts."""
    load = Load(stack)
    gc.collect()
    gc.freeze()  # whoever made the models has torch: to look through it again takes clients a second each time
    clients = [
        asyncio.create_task(load.ask_on(number, stream=number < streaming))
        for number in range(streaming + plain)
    ]
    try:
        yield load
        broken = [each for each in clients if each.done()]
        assert not broken, broken[0].exception()
    finally:
        for each in clients:
            each.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def once(http: httpx.AsyncClient, prompt: int, conversation: str, *, stream: bool) -> Told:
    """One request and its answer, each a conversation of its own."""
    body, began = asking("assistant", prompt) | {"stream": stream}, time.monotonic()
    pieces: list[float] = []
    texts: list[str] = []
    version = ""
    try:
        headers = {"x-trimtab-conversation": conversation}
        async with http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            version = answer.headers.get("x-trimtab-version", "")
            if answer.status_code != 200:
                raise Failed(f"{answer.status_code} {(await answer.aread())[:300]!r}")
            if stream:
                await heard(answer, texts, pieces)
            else:
                texts.append(json.loads(await answer.aread())["choices"][0]["message"]["content"])
    except (httpx.HTTPError, Failed, KeyError, ValueError) as error:
        failure = f"{type(error).__name__}: {error}"
        return Told(prompt, began, time.monotonic(), version, "".join(texts), failure)
    return Told(prompt, began, time.monotonic(), version, "".join(texts), "", tuple(pieces))


class Failed(Exception):
    """The answer was an error, or broke off."""


async def heard(answer: httpx.Response, texts: list[str], pieces: list[float]) -> None:
    """Take a stream in to its `[DONE]`."""
    async for line in answer.aiter_lines():
        if line == "data: [DONE]":
            return
        if not line.startswith("data: "):
            continue
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            raise Failed(str(chunk["error"]))
        for choice in chunk["choices"]:
            if said := choice["delta"].get("content"):
                texts.append(said)
                pieces.append(time.monotonic())
    raise Failed("a stream ended without [DONE]")
