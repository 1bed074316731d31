"""Candidates that come in stages: all of them to a checkpoint, the better ones on to the next, and so to the end.

For engines whose model is quick beside the reward model: between two stages nothing is sampled, so nothing is sampled
in vain. What it costs: the engine reads the answer so far again (from its cache, where it has one), and a stage may end
within a word, whose tokens then are others than if it had gone on.
"""

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from gateway import parts
from gateway.clock import Limit
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.exchange import Usage
from gateway.gathering.listening import CUT
from gateway.sampling import Json, choices_in, usage_in
from gateway.tools import Tools
from gateway.trip import Trip


@dataclass(slots=True)
class Begun:
    """One candidate so far."""

    index: int
    text: str = ""
    tokens: int = 0
    finish_reason: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the engine has finished it."""
        return self.finish_reason is not None

    def choice(self) -> Json:
        """The choice in a chat completion's shape, as if it had come whole."""
        message = {"role": "assistant", "content": self.text}
        reason = self.finish_reason or CUT
        return {"index": self.index, "message": message, "logprobs": None, "finish_reason": reason}

    def add(self, choice: Json, tokens: int, *, last: bool) -> None:
        """What one stage has added; `last` says that no more tokens are wanted."""
        self.text += parts.text_of(choice["message"].get("content"))
        self.tokens += tokens
        reason = choice.get("finish_reason") or "stop"
        if reason != "length" or last:
            self.finish_reason = reason


class Stages:
    """Several candidates of one request, each as far as was asked for; used as `Streams` is."""

    def __init__(self, bodies: Sequence[Mapping[str, Any]], trip: Trip, tools: Tools) -> None:
        self.heard = [Begun(index) for index in range(len(bodies))]
        self.failed: dict[int, EngineFailed] = {}
        left_out = ("stream", "stream_options", "n", "max_tokens", "max_completion_tokens")
        self._body = {name: value for name, value in bodies[0].items() if name not in left_out}
        self._longest = most_tokens(trip)
        self._trip = trip
        self._tools = tools
        self._dropped: set[int] = set()
        self._prompt_tokens = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held between two stages."""

    @property
    def speaking(self) -> list[int]:
        """Those that have neither ended nor failed nor been dropped."""
        return [
            begun.index
            for begun in self.heard
            if not begun.ended and begun.index not in self._dropped and begun.index not in self.failed
        ]

    async def reach(self, tokens: float, within_seconds: float | None = None) -> bool:
        """Have every candidate go on until it has so many tokens or ends; False where that takes longer than allowed.

        Without a limit of its own the request's deadline holds: raises EngineTimedOut, or Unscannable.
        """
        target = min(tokens, self._longest)
        seconds = self._trip.seconds_left if within_seconds is None else within_seconds
        with self._trip.stage("engine"):
            try:
                with Limit(seconds):
                    await self._go_on(target)
            except TimeoutError:
                if within_seconds is not None:
                    return False
                raise EngineTimedOut("the engine did not finish within the request's deadline") from None
        return True

    async def hang_up(self, numbers: Collection[int]) -> None:
        """These do not go on."""
        self._dropped.update(numbers)

    def spent(self) -> Usage:
        """The prompt's tokens once, and those of all candidates."""
        return Usage(self._prompt_tokens, sum(begun.tokens for begun in self.heard))

    async def _go_on(self, target: float) -> None:
        speaking = [self.heard[index] for index in self.speaking]
        if all(not begun.text for begun in speaking) and speaking:
            await self._ask(speaking, target)
        else:
            await asyncio.gather(*(self._ask([begun], target) for begun in speaking))

    async def _ask(self, group: Sequence[Begun], target: float) -> None:
        """One call for candidates that have come equally far: all at the start, and one after that."""
        wanted = None if target == math.inf else int(target - group[0].tokens)
        if wanted is not None and wanted <= 0:
            return
        body = self._asked(group, wanted)
        try:
            completion = await self._tools.engine.complete(body, "chat", self._trip.affinity)
            choices = choices_in(completion, len(group))
        except EngineFailed as error:
            self.failed |= {begun.index: error for begun in group}
            return
        told = usage_in(completion)
        self._prompt_tokens = self._prompt_tokens or told.prompt
        for begun, choice in zip(group, choices, strict=True):
            ids = choice.get("token_ids")
            begun.add(
                choice, len(ids) if ids else round(told.completion / len(group)), last=target >= self._longest
            )

    def _asked(self, group: Sequence[Begun], wanted: int | None) -> Json:
        body = dict(self._body)
        if len(group) > 1:
            body["n"] = len(group)
        if wanted is not None:
            body["max_tokens"] = wanted
        if isinstance(seed := body.get("seed"), int):
            body["seed"] = seed + group[0].index + len(self.heard) * (group[0].tokens > 0)
        if text := group[0].text:
            body["messages"] = [*body["messages"], {"role": "assistant", "content": text}]
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body


def most_tokens(trip: Trip) -> float:
    """The longest that an answer may be; infinite where the client sets no limit."""
    return float(trip.body.get("max_completion_tokens") or trip.body.get("max_tokens") or math.inf)
