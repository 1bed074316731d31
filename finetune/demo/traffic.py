"""Concurrent clients, as applications are: half of them stream, all use the official `openai` client.

Every request asks greedily for one answer, so that each version has exactly one right text for a prompt: an
answer that is not its own version's text was not made by that version alone.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI, OpenAIError

GREEDY: dict[str, Any] = {"temperature": 0.0, "max_tokens": 48, "seed": 0}
SINGLE = {"alignment": {"strategy": "single"}}


@dataclass(frozen=True, slots=True)
class Answer:
    """One request of the load and what came of it; times are seconds on the monotonic clock."""

    client: int
    prompt: str
    streamed: bool
    started: float
    ended: float
    version: str = ""
    text: str = ""
    finish_reason: str = ""
    error: str | None = None

    def overlaps(self, since: float, until: float) -> bool:
        """Whether it was in flight at any moment of a span of time."""
        return self.started <= until and self.ended >= since


class Load:
    """`clients` loops asking without a pause, from `start` until `stop`."""

    def __init__(self, client: AsyncOpenAI, alias: str, prompts: Sequence[str], clients: int = 16) -> None:
        self._client = client
        self._alias = alias
        self._prompts = prompts
        self._clients = clients
        self._leaving = asyncio.Event()
        self._ended = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.answers: list[Answer] = []

    def start(self) -> None:
        """Let every client begin."""
        self._tasks = [asyncio.create_task(self._keep_asking(number)) for number in range(self._clients)]

    async def stop(self) -> None:
        """Let every client finish the request it is in."""
        self._leaving.set()
        await asyncio.gather(*self._tasks)

    async def answered(self, count: int) -> None:
        """Wait until `count` more requests have ended."""
        goal = len(self.answers) + count
        async with self._ended:
            await self._ended.wait_for(lambda: len(self.answers) >= goal)

    async def _keep_asking(self, number: int) -> None:
        for prompt in itertools.islice(itertools.cycle(self._prompts), number, None):
            if self._leaving.is_set():
                return
            answer = await self._ask(number, prompt, streamed=number % 2 == 1)
            async with self._ended:
                self.answers.append(answer)
                self._ended.notify_all()

    async def _ask(self, client: int, prompt: str, *, streamed: bool) -> Answer:
        started = time.monotonic()
        try:
            version, text, reason = await (self._streamed(prompt) if streamed else self._plain(prompt))
        except OpenAIError as error:
            return Answer(
                client, prompt, streamed, started, time.monotonic(), error=f"{type(error).__name__}: {error}"
            )
        return Answer(client, prompt, streamed, started, time.monotonic(), version, text, reason)

    async def _plain(self, prompt: str) -> tuple[str, str, str]:
        create = self._client.chat.completions.with_raw_response.create
        raw = await create(**self._request(prompt))
        choice = raw.parse().choices[0]
        return raw.headers["x-trimtab-version"], choice.message.content or "", choice.finish_reason

    async def _streamed(self, prompt: str) -> tuple[str, str, str]:
        raw = await self._client.chat.completions.with_raw_response.create(
            **self._request(prompt), stream=True
        )
        text, reason = "", ""
        async for chunk in raw.parse():
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reason = choice.finish_reason or reason
        return raw.headers["x-trimtab-version"], text, reason or "none"

    def _request(self, prompt: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt}]
        return {"model": self._alias, "messages": messages, "extra_body": SINGLE, **GREEDY}
