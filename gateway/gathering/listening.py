"""Streams of the engine that are listened to and kept: one candidate each, or several in one."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from gateway import parts
from gateway.clock import Limit
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.exchange import Usage
from gateway.receipt import Receipt
from gateway.sampling import usage_in
from gateway.tools import Tools
from gateway.trip import Trip
from gateway.voice import Voice

Json = dict[str, Any]
CUT = "cut"  # the finish reason of a candidate that was hung up on


class Heard:
    """What one choice of a stream has said so far."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.voice = Voice(index, hold_back=0, overlap=0, receipt=Receipt())  # nothing of it leaves from here
        self.tokens = 0
        self.logprobs: list[Any] = []

    def take(self, choice: Mapping[str, Any]) -> None:
        """One delta; raises Unscannable."""
        before = self.voice.tokens
        self.voice.hear_all([{**choice, "index": self.index}])
        told = (choice.get("logprobs") or {}).get("content") or []
        self.logprobs += told
        self.tokens += len(told) or self.voice.tokens - before

    @property
    def ended(self) -> bool:
        """Whether the engine has finished it."""
        return self.voice.finish_reason is not None

    @property
    def text(self) -> str:
        """Its content until now."""
        return parts.text_of(self.voice.whole().get("content"))

    def choice(self) -> Json:
        """The choice in a chat completion's shape, as if it had come whole."""
        told: Json = {"index": self.index, "message": self.voice.whole(), "logprobs": None}
        if self.logprobs:
            told["logprobs"] = {"content": self.logprobs}
        return {**told, "finish_reason": self.voice.finish_reason or CUT}


class Streams:
    """Several streams at once, each of so many choices; when the block ends, whoever still speaks is hung up on."""

    def __init__(
        self, bodies: Sequence[Mapping[str, Any]], trip: Trip, tools: Tools, *, choices: int = 1
    ) -> None:
        self.heard = [Heard(index) for index in range(len(bodies) * choices)]
        self.failed: dict[int, EngineFailed] = {}
        self._choices = choices
        self._usage: dict[int, Usage] = {}
        self._trip = trip
        self._tools = tools
        self._bodies = bodies
        self._news = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        for number, body in enumerate(self._bodies):
            self._tasks[number] = task = asyncio.create_task(self._listen(number, body))
            task.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up(list(self._tasks))

    @property
    def speaking(self) -> list[int]:
        """The streams that have neither ended nor failed nor been hung up on."""
        return [number for number, task in self._tasks.items() if not task.done()]

    async def reach(self, tokens: float, within_seconds: float | None = None) -> bool:
        """Wait until every stream has said so much or says no more; False where that takes longer than allowed.

        Without a limit of its own the request's deadline holds: raises EngineTimedOut, or Unscannable.
        """
        seconds = self._trip.seconds_left if within_seconds is None else within_seconds
        with self._trip.stage("engine"):
            try:
                with Limit(max(0.0, seconds)):
                    while not all(self._said(number) >= tokens for number in self.speaking):
                        self._news.clear()
                        await self._news.wait()
            except TimeoutError:
                if within_seconds is not None:
                    return False
                raise EngineTimedOut("the engine did not finish within the request's deadline") from None
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        return True

    async def hang_up(self, numbers: Collection[int]) -> None:
        """Close these streams, which aborts them at the engine, and wait until they are closed."""
        tasks = [self._tasks[number] for number in numbers if not self._tasks[number].done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def spent(self) -> Usage:
        """The prompt's tokens once, and those of all choices: as the engine told, else as they were counted."""
        told = [
            self._usage.get(number) or Usage(0, self._said(number)) for number in range(len(self._bodies))
        ]
        return Usage(max(each.prompt for each in told), sum(each.completion for each in told))

    def _said(self, number: int) -> int:
        return sum(heard.tokens for heard in self._own(number))

    def _own(self, number: int) -> Sequence[Heard]:
        return self.heard[number * self._choices : (number + 1) * self._choices]

    async def _listen(self, number: int, body: Mapping[str, Any]) -> None:
        own = self._own(number)
        try:
            stream = self._tools.engine.stream(body, self._trip.ask.kind, self._trip.affinity)
            async with aclosing(stream) as received:
                async for together in received:
                    self._take(number, own, together)
                    self._news.set()
        except EngineFailed as error:
            self.failed[number] = error
            return
        if not all(heard.ended for heard in own):
            self.failed[number] = EngineFailed("the engine's stream ended before its answer was finished")

    def _take(self, number: int, own: Sequence[Heard], together: Sequence[Json]) -> None:
        for chunk in together:
            choices = chunk.get("choices")
            if not isinstance(choices, list):
                raise parts.Unscannable("a frame that is no chat completion chunk")
            for choice in choices:
                place = choice.get("index", 0) if isinstance(choice, dict) else None
                if not isinstance(place, int) or not 0 <= place < len(own):
                    raise parts.Unscannable("a choice that was not asked for")
                own[place].take(choice)
            if chunk.get("usage"):
                self._usage[number] = usage_in(chunk)
