"""Asking an engine: a family's questions about a segment, all at once, and the worst of what is answered.

Opinions are remembered for a while by a digest of what was asked: a conversation sends its turns again with each new
one, and each of them is judged with what stood before it, which does not change.
"""

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from guards.memory import SECRET
from guards.models.answer import answers_of
from guards.models.conversation import Sight, Window, windows
from guards.models.family import Family, Opinion, Question, average, worst
from guards.policy.strict import Strict
from guards.services import NamedService, Service
from guards.verdict import Context, Segment, Span, Verdict

MOST_REMEMBERED = 4096


class EngineConfig(Strict):
    """Which model of which service is asked, how much it is shown, and how long an answer is remembered."""

    service: NamedService
    model: Annotated[str, Field(min_length=1, max_length=200)]
    window_chars: Annotated[int, Field(ge=500, le=500_000)] = 8000
    overlap_chars: Annotated[int, Field(ge=0, le=100_000)] = 1200
    history_chars: Annotated[int, Field(ge=0, le=500_000)] = 4000
    remember_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0

    @property
    def sight(self) -> Sight:
        """How much the model is shown at once."""
        return Sight(self.window_chars, min(self.overlap_chars, self.window_chars // 2), self.history_chars)


@dataclass(slots=True)
class Remembered:
    """Opinions of the last questions, by digest, for so many seconds."""

    seconds: float
    known: OrderedDict[bytes, tuple[float, Opinion]] = field(default_factory=OrderedDict)

    def recall(self, key: bytes) -> Opinion | None:
        """The opinion, while it is fresh."""
        told, opinion = self.known.get(key, (0.0, None))
        return opinion if opinion is not None and time.monotonic() - told < self.seconds else None

    def keep(self, key: bytes, opinion: Opinion) -> None:
        """Remember an opinion, and forget the oldest."""
        if self.seconds <= 0:
            return
        self.known[key] = (time.monotonic(), opinion)
        self.known.move_to_end(key)
        if len(self.known) > MOST_REMEMBERED:
            self.known.popitem(last=False)


class AskingGuard:
    """A guard that asks a model behind an engine."""

    def __init__(self, name: str, config: EngineConfig, family: Family) -> None:
        self.name = name
        self.family = family
        self.service: Service = config.service
        self.model = config.model
        self.sight = config.sight
        self.remembered = Remembered(config.remember_seconds)

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The worst that the model says of any window; raises GuardFailed where one cannot be judged."""
        started = time.perf_counter()
        if not segment.text.strip():
            return Verdict(self.name, {}, (), time.perf_counter() - started)
        shown = list(windows(segment, context, self.sight))
        opinions = await together([self.opinion(window) for window in shown])
        said = worst(opinions)
        spans = spans_of(shown, opinions, said)
        scores = {hazard: min(1.0, max(0.0, score)) for hazard, score in said.scores.items()}
        return Verdict(self.name, scores, spans, time.perf_counter() - started)

    async def opinion(self, window: Window) -> Opinion:
        """What the model says of one window."""
        questions = self.family.questions(window.conversation)
        return worst(await together([self.answered(question) for question in questions]))

    async def answered(self, question: Question) -> Opinion:
        """The opinion on one question, asked or remembered."""
        body = json.dumps({"model": self.model, **question.body}).encode()
        key = hashlib.blake2b(question.about.encode() + b"\0" + body, digest_size=16, key=SECRET).digest()
        known = self.remembered.recall(key)
        if known is not None:
            return known
        told = self.service.understood(await self.service.post(question.route, body))
        opinion = average([self.family.read(question, answer) for answer in answers_of(told)])
        self.remembered.keep(key, opinion)
        return opinion


async def together(asking: Sequence[Any]) -> list[Opinion]:
    """All at once; the first failure ends the others, and is the one that counts."""
    if len(asking) == 1:
        return [await asking[0]]
    tasks = [asyncio.ensure_future(each) for each in asking]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def spans_of(shown: Iterable[Window], opinions: Iterable[Opinion], said: Opinion) -> tuple[Span, ...]:
    """Where, to the window, the model named a category, under the model's own name for it."""
    return tuple(
        Span(window.start, window.end, hazard, label, "window")
        for window, opinion in zip(shown, opinions, strict=True)
        for hazard, label in opinion.labels.items()
        if opinion.scores.get(hazard) == said.scores.get(hazard)
    )
