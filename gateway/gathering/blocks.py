"""An answer block after block: of several ways to go on the best is kept, and the engine goes on from there.

Told as an engine's own stream would be, chunk by chunk, so that whoever delivers it holds it back and has it screened
like any other. A block that a guard would withhold is not gone on with while there is another.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway import parts
from gateway.clock import Limit
from gateway.engines.contract import EngineTimedOut
from gateway.exchange import Candidate, Usage
from gateway.gathering.envelope import keep_choices
from gateway.gathering.listening import CUT
from gateway.gathering.screening import screen_candidates
from gateway.sampling import Json, choices_in, engine_body, usage_in
from gateway.scoring import Unscored, rewards_for
from gateway.strategies.blockwise import Block, best_block, over
from gateway.tools import Tools
from gateway.trip import Trip
from guards.verdict import Screening, Segment

OF_ITS_OWN = ("choices", "usage", "object")  # fields that a chunk has otherwise than a whole answer
# Blocks that are recorded of one answer, each with all that stood before it; flagged ones always are.
MOST_PASSED_OVER = 64
LONGEST = 4096  # tokens of an answer, where the client sets no limit


@dataclass(slots=True)
class Course:
    """The answer so far, what was not gone on with, and what all of it cost."""

    text: str = ""  # all that the engine goes on from
    said: str = ""  # of it, what is the answer's
    waits: str = ""  # the end of it, where a stop may have begun
    tokens: int = 0
    blocks: int = 0
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    scored: bool = True  # until rewards fail
    withheld: bool = False  # whether guards let none of the latest blocks pass: nobody will hear more
    envelope: Json = field(default_factory=dict)


async def blocks(trip: Trip, model: str, tools: Tools) -> None:
    """The whole answer, screened, and the blocks that were not taken; raises EngineFailed or Unscannable."""
    course = Course()
    async for _ in chosen_blocks(course, trip, model, tools):
        pass
    message = {"role": "assistant", "content": course.said}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": course.finish_reason}
    keep_choices(trip, [choice], course.usage, around=course.envelope)
    await screen_candidates(trip)


async def spoken_blocks(trip: Trip, model: str, tools: Tools) -> AsyncGenerator[list[Json], None]:
    """The same as chunks of a stream, each block as soon as it is chosen; raises EngineFailed."""
    course = Course()
    async for block in chosen_blocks(course, trip, model, tools):
        delta = {"content": block.text} if course.blocks > 1 else {"role": "assistant", "content": block.text}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": course.finish_reason}
        envelope = {name: value for name, value in course.envelope.items() if name not in OF_ITS_OWN}
        yield [{**envelope, "object": "chat.completion.chunk", "choices": [choice]}]
    usage = {
        "prompt_tokens": course.usage.prompt,
        "completion_tokens": course.usage.completion,
        "total_tokens": course.usage.total,
    }
    yield [{"object": "chat.completion.chunk", "choices": [], "usage": usage}]


async def chosen_blocks(course: Course, trip: Trip, model: str, tools: Tools) -> AsyncGenerator[Block, None]:
    """The blocks that are kept, in order; `course` is the answer with the block that was just given."""
    stops = stops_of(trip)
    while course.finish_reason is None:
        left = most_tokens(trip) - course.tokens
        block = await next_block(course, min(left, tools.settings.alignment.block_tokens), trip, model, tools)
        course.text += block.text
        course.tokens += block.tokens
        trip.blocks = course.blocks = course.blocks + 1
        said, course.waits, stopped = until_stop(course.waits + block.text, stops)
        if stopped:
            course.finish_reason = "stop"
        elif over(block, left - block.tokens) or not block.text or course.withheld:
            course.finish_reason = block.finish_reason or "stop"
            said += course.waits
        course.said += said
        yield replace(block, text=said)
    trip.gathered = f"{course.blocks} blocks, each the best of {trip.ask.samples} ways to go on."


def stops_of(trip: Trip) -> list[str]:
    """The texts at which the client wants the answer to end."""
    stop = trip.body.get("stop")
    told = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return [each for each in told if isinstance(each, str) and each]


def until_stop(text: str, stops: Sequence[str]) -> tuple[str, str, bool]:
    """What may be said of some text, what waits since a stop may begin with it, and whether one stands in it."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    if places:
        return text[: min(places)], "", True
    ends = (length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length]))
    waits = max(ends, default=0)
    return text[: len(text) - waits], text[len(text) - waits :], False


async def next_block(course: Course, tokens: int, trip: Trip, model: str, tools: Tools) -> Block:
    """The best way to go on; an empty one, which ends the answer as a limit of tokens would, where no time is left."""
    try:
        completion = await sampled(course, tokens, trip, model, tools)
    except EngineTimedOut:
        if not course.text:
            raise
        trip.degraded.append(f"deadline: the answer ends early; after {course.blocks} blocks")
        return Block("", "length", 0)
    found = blocks_in(completion, trip.ask.samples)
    return found[await chosen(course, found, trip, tools)]


def most_tokens(trip: Trip) -> int:
    """The longest that the answer may be."""
    return int(trip.body.get("max_completion_tokens") or trip.body.get("max_tokens") or LONGEST)


async def sampled(course: Course, tokens: int, trip: Trip, model: str, tools: Tools) -> Json:
    """Some ways to go on from the answer so far; raises EngineFailed."""
    body = {
        name: value
        for name, value in engine_body(trip, model).items()
        if name not in ("stream", "stream_options")
    }
    body.pop("max_completion_tokens", None)
    body |= {"max_tokens": tokens, "n": trip.ask.samples}
    if course.text:
        body["messages"] = [*body["messages"], {"role": "assistant", "content": course.text}]
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if isinstance(seed := body.get("seed"), int):
        body["seed"] = seed + course.blocks * trip.ask.samples
    with trip.stage("engine"):
        try:
            with Limit(trip.seconds_left):
                completion = await tools.engine.complete(body, trip.ask.kind, trip.affinity)
        except TimeoutError:
            raise EngineTimedOut("the engine did not finish within the request's deadline") from None
    told = usage_in(completion)
    course.usage = trip.usage = Usage(
        course.usage.prompt or told.prompt, course.usage.completion + told.completion
    )
    course.envelope = completion
    return completion


def blocks_in(completion: Json, expected: int) -> list[Block]:
    """The ways to go on in an engine's answer; raises EngineFailed, or Unscannable for what is more than text."""
    tokens = usage_in(completion).completion // expected
    return [block_in(choice, tokens) for choice in choices_in(completion, expected)]


def block_in(choice: Json, tokens: int) -> Block:
    """One of them; `tokens` is how long they are on average, where this one does not tell."""
    message, ids = choice["message"], choice.get("token_ids")
    if set(message) - {"role", "content", "refusal"} and any(
        value for name, value in message.items() if name not in ("role", "content", "refusal")
    ):
        raise parts.Unscannable("more than text, which cannot be chosen block by block")
    return Block(
        parts.text_of(message.get("content")), choice.get("finish_reason"), len(ids) if ids else tokens
    )


async def chosen(course: Course, found: Sequence[Block], trip: Trip, tools: Tools) -> int:
    """Which block is gone on with: the best of those that guards let pass, of all where none of them does."""
    screenings = await screened(course, found, trip)
    safe = [index for index, screening in enumerate(screenings) if not screening.withheld]
    course.withheld = not safe
    texts = {index: screenings[index].text for index in safe}  # as they would be delivered
    rewards = await rewards_of(course, texts, trip, tools) if len(safe) > 1 and course.scored else {}
    winner = best_block(safe or range(len(found)), rewards)
    trip.passed_over += tuple(
        passed_over(course.text + block.text, block, screenings[index], rewards.get(index))
        for index, block in enumerate(found)
        if index != winner and (len(trip.passed_over) < MOST_PASSED_OVER or screenings[index].flagged)
    )
    return winner


async def screened(course: Course, found: Sequence[Block], trip: Trip) -> list[Screening]:
    """What the guards make of the answer with each of the blocks; it is not whole, so more may come."""
    with trip.stage("screen_candidates"):
        return await asyncio.gather(
            *(
                trip.screen.reply([Segment(course.text + block.text, "reply", whole=False)], trip.context)
                for block in found
            )
        )


def passed_over(text: str, block: Block, screening: Screening, reward: float | None) -> Candidate:
    """A block that was not taken, with the answer before it, for the record."""
    return Candidate(
        index=0,  # it is numbered once the answer is whole
        text=text,
        message={"role": "assistant", "content": text},
        finish_reason=CUT,
        tokens=block.tokens,
        screening=screening,
        reward=reward,
        cut=True,
    )


async def rewards_of(course: Course, texts: Mapping[int, str], trip: Trip, tools: Tools) -> dict[int, float]:
    """The rewards of the answer with each of the blocks; none, and never asked for again, once there are none."""
    try:
        rewards = await rewards_for(list(texts.values()), trip, tools, partial=True)
    except Unscored as why:
        trip.degraded.append(f"reward: {why}; first safe block")
        course.scored = False
        return {}
    return dict(zip(texts, map(float, rewards), strict=True))
