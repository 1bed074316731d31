"""Several choices from an engine that gives one: asked n times at once, told as one answer.

The prompt is then read, and usually paid for, n times; usage says so. Of a seed each call gets one of its own,
counted up as vLLM does, or all choices would be the same.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from gateway.engines.capabilities import Capabilities
from gateway.engines.contract import Body, Engine, Kind
from gateway.engines.interleaved import interleaved, stopped

Json = dict[str, Any]
Chunks = AsyncGenerator[list[Json], None]


async def complete_several(engine: Engine, body: Body, kind: Kind, known: Capabilities) -> Json:
    """One completion with all n choices; what an engine leaves out is asked for again, one by one."""
    bodies = singles(body)
    if known.lacks("n"):
        return merged(await _complete_each(engine, bodies, kind))
    answer = await engine.complete(body, kind)
    given = len(choices_of(answer))
    if not given:
        return answer
    known.learn("n", given >= len(bodies))
    if given >= len(bodies):
        return answer
    return merged([answer, *await _complete_each(engine, bodies[given:], kind)])


async def stream_several(engine: Engine, body: Body, kind: Kind, known: Capabilities) -> Chunks:
    """One stream with all n choices, told apart by their index; usage comes once, at the end."""
    bodies, tally = singles(body), Tally()
    if not known.lacks("n"):
        async with aclosing(engine.stream(body, kind)) as chunks:
            async for together in chunks:
                if said := [one for chunk in together if (one := tally.heard(chunk, "together"))]:
                    yield said
        if tally.choices:
            known.learn("n", len(tally.choices) >= len(bodies))
    missing = range(len(tally.choices), len(bodies))
    async with aclosing(interleaved([engine.stream(bodies[each], kind) for each in missing])) as chunks:
        async for place, together in chunks:
            moved = [_moved(chunk, missing[place]) for chunk in together]
            if said := [one for chunk in moved if (one := tally.heard(chunk, missing[place]))]:
                yield said
    if tally.usage:
        yield [tally.last()]


def singles(body: Body) -> list[Json]:
    """The request n times for one choice each."""
    alone = {name: value for name, value in body.items() if name != "n"}
    seed = body.get("seed")
    if not isinstance(seed, int):
        return [alone] * body["n"]
    return [{**alone, "seed": seed + index} for index in range(body["n"])]


def merged(answers: Sequence[Json]) -> Json:
    """Several completions as one: their choices numbered anew, their tokens added up."""
    choices = [choice for answer in answers for choice in choices_of(answer)]
    told = [answer["usage"] for answer in answers if isinstance(answer.get("usage"), Mapping)]
    numbered = [_numbered(choice, index) for index, choice in enumerate(choices)]
    return {**answers[0], "choices": numbered, **({"usage": summed(told)} if told else {})}


def choices_of(answer: Json) -> list[Any]:
    """The choices of an answer; none where it has no list of them."""
    choices = answer.get("choices")
    return choices if isinstance(choices, list) else []


def summed(usages: Iterable[Mapping[str, Any]]) -> Json:
    """Several accounts of tokens and costs added up, details too; of one alone every number and null stays."""
    total: Json = {}
    for usage in usages:
        for name, value in usage.items():
            before = total.get(name)
            if isinstance(value, Mapping):
                total[name] = summed([before, value] if isinstance(before, Mapping) else [value])
            elif isinstance(value, int | float):
                total[name] = value + (before if isinstance(before, int | float) else 0)
            elif value is None:
                total.setdefault(name)
    return total


class Tally:
    """What several streams have come to: whose choices were heard, and the latest account of each stream's tokens."""

    def __init__(self) -> None:
        self.choices: set[int] = set()
        self.usage: dict[Any, Mapping[str, Any]] = {}
        self._envelope: Json = {}

    def heard(self, chunk: Json, stream: Any) -> Json | None:
        """The chunk as it goes on, without usage; None when nothing else is in it."""
        self._envelope = chunk
        if isinstance(chunk.get("usage"), Mapping):
            self.usage[stream] = chunk["usage"]
        choices = chunk.get("choices")
        if isinstance(choices, list):
            self.choices.update(map(_index, choices))
            if not choices:
                return None
        return {name: value for name, value in chunk.items() if name != "usage"}

    def last(self) -> Json:
        """The chunk that tells what all of them spent."""
        return {**self._envelope, "choices": [], "usage": summed(self.usage.values())}


async def _complete_each(engine: Engine, bodies: Sequence[Json], kind: Kind) -> list[Json]:
    """An answer for each; the first failure cancels the others, and so does leaving."""
    calls = [asyncio.ensure_future(engine.complete(body, kind)) for body in bodies]
    try:
        return list(await asyncio.gather(*calls))
    finally:
        await stopped(calls)


def _moved(chunk: Json, index: int) -> Json:
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return chunk
    return {**chunk, "choices": [_numbered(choice, index) for choice in choices]}


def _index(choice: Any) -> int:
    index = choice.get("index") if isinstance(choice, Mapping) else None
    return index if isinstance(index, int) else 0


def _numbered(choice: Any, index: int) -> Any:
    return {**choice, "index": index} if isinstance(choice, Mapping) else choice
