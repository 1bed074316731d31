"""The journey of a streamed answer: pipeline.py's until it is sampled, then guarded piece by piece.

Text is held back, released once every guard has passed it, and screened whole when its choice ends. The
chunks that finish the choices go out last, once the exchange is recorded: no client has all of it before.
Whoever consumes the chunks writes `[DONE]` when they end, and an error frame when they raise.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from gateway import parts, reply
from gateway.chunks import chunk, chunks_of, usage_chunk
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.exchange import Candidate, Usage
from gateway.failures import violation
from gateway.pipeline import (
    answer,
    choose,
    choose_version,
    deliver,
    engine_body,
    note_failed_guards,
    remembered,
    screen_prompt,
    usage_in,
)
from gateway.strategies import STRATEGIES
from gateway.tools import Tools
from gateway.trip import Trip
from gateway.voice import Voice
from guards.verdict import Segment

Json = dict[str, Any]


async def stream(trip: Trip, tools: Tools) -> AsyncGenerator[Json, None]:
    """The chunks of one chat completion; raises ApiError, before the first chunk or after it."""
    if STRATEGIES[trip.ask.strategy].ranks:  # nobody has won until all have been heard
        ending = chunks_of(trip, await answer(trip, tools))
    else:
        async with remembered(trip, tools):
            await screen_prompt(trip, tools)
            if trip.refused:
                ending = chunks_of(trip, reply.body_of(trip, deliver(trip)))
            else:
                voices = voices_of(trip)
                async with aclosing(spoken(trip, voices, tools)) as chunks:
                    async for each in chunks:
                        yield each
                conclude(trip, voices)
                ending = finishing(trip, voices)
    for each in ending:
        yield each


def voices_of(trip: Trip) -> list[Voice]:
    """One for each choice."""
    kept = trip.screen.policy.stream
    return [
        Voice(index, kept.hold_back_chars, kept.overlap_chars, trip.receipt)
        for index in range(trip.ask.returned)
    ]


async def spoken(trip: Trip, voices: list[Voice], tools: Tools) -> AsyncGenerator[Json, None]:
    """The chunks that may go out while the engine speaks; what was heard is kept, however it ends."""
    try:
        async with aclosing(speak(trip, voices, tools)) as chunks:
            async for each in chunks:
                yield each
    finally:
        trip.candidates = tuple(map(candidate_of, voices))


async def speak(trip: Trip, voices: list[Voice], tools: Tools) -> AsyncGenerator[Json, None]:
    """The chunks that may go out while the engine speaks; ends when it does, or when all is withheld."""
    model = choose_version(trip, tools)
    with tools.router.lease(trip.version):
        async with aclosing(heard(trip, model, tools)) as said:
            async for choice in said:
                voice = voice_for(choice, voices)
                if not voice.over:
                    async for delta in guarded(voice, choice, trip):
                        yield chunk(trip, voice.index, delta, logprobs=voice.take_logprobs())
                if all(each.over for each in voices) and any(each.cut_off for each in voices):
                    return  # which hangs up: nobody will hear the rest
    if silent := [voice.index for voice in voices if not voice.over]:
        raise EngineFailed(f"the engine's stream ended before choice {silent[0]} was finished")


async def heard(trip: Trip, model: str, tools: Tools) -> AsyncGenerator[Json, None]:
    """The choices in the engine's chunks, one by one; usage and envelope are kept on the trip."""
    body = engine_body(trip, model)
    body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    async with aclosing(tools.engine.stream(body)) as received:
        while (found := await next_chunk(trip, received)) is not None:
            choices = found.get("choices")
            if not isinstance(choices, list):
                raise parts.Unscannable("a frame that is no chat completion chunk")
            trip.completion = {**found, "choices": ()} if not trip.completion else trip.completion
            if found.get("usage"):
                trip.usage = usage_in(found)
                trip.completion = {**trip.completion, "usage": found["usage"]}
            for choice in choices:
                yield choice


async def next_chunk(trip: Trip, received: AsyncIterator[Json]) -> Json | None:
    """The engine's next chunk; None at its end."""
    with trip.stage("engine"):
        try:
            async with asyncio.timeout(trip.seconds_left):
                return await anext(received, None)
        except TimeoutError:
            raise EngineTimedOut("the engine did not finish within the request's deadline") from None


def voice_for(choice: parts.Json, voices: list[Voice]) -> Voice:
    """Whose delta this is; raises Unscannable when it is nobody's."""
    index = choice.get("index", 0) if isinstance(choice, dict) else None
    if not isinstance(index, int) or not 0 <= index < len(voices):
        raise parts.Unscannable("a choice that was not asked for")
    return voices[index]


async def guarded(voice: Voice, choice: parts.Json, trip: Trip) -> AsyncGenerator[Json, None]:
    """The deltas that a voice may say after one more from the engine."""
    for name, piece in voice.hear(choice):
        segment = Segment(piece.text, "reply", parts.PART_OF_FIELD[name])
        with trip.stage("screen_candidates"):
            screening = await trip.screen.reply([segment], trip.context)
        note_failed_guards(trip, screening)
        if screening.withheld:
            voice.withhold(screening)
            return
        if said := voice.pass_piece(name, piece, screening):
            yield said
    if voice.finish_reason is None:
        return
    found = parts.of_reply(voice.whole())
    with trip.stage("screen_candidates"):
        screening = await trip.screen.reply([part.segment for part in found], trip.context)
    note_failed_guards(trip, screening)
    if screening.withheld:
        voice.withhold(screening)
        return
    for said in voice.pass_whole(found, screening):
        yield said


def conclude(trip: Trip, voices: list[Voice]) -> None:
    """What the stream came to, for the record; raises ApiError where the policy wants an error."""
    if not trip.usage.total:  # the engine was cut off before it told
        trip.usage = Usage(0, sum(voice.tokens for voice in voices))
    choose(trip)
    refusal = trip.screen.policy.refusal.text
    trip.delivered = tuple(voice.delivered if voice.introduced else refusal for voice in voices)
    if trip.refused and trip.screen.policy.refusal.shape == "error":
        raise violation(voices[0].screening)


def candidate_of(voice: Voice) -> Candidate:
    """The candidate that a voice has become."""
    message = voice.whole()
    return Candidate(
        index=voice.index,
        text=message["content"] or "",
        message=message,
        finish_reason=voice.finish_reason or "stop",
        tokens=voice.tokens,
        screening=voice.judged,
    )


def finishing(trip: Trip, voices: list[Voice]) -> Iterator[Json]:
    """The chunks that finish the choices, and usage where it was asked for."""
    refusal = trip.screen.policy.refusal.text
    for voice in voices:
        if voice.withheld:
            said = {} if voice.introduced else {"role": "assistant", "content": refusal}
            last = chunk(trip, voice.index, said, "content_filter")
        else:
            last = chunk(trip, voice.index, {}, voice.finish_reason, stop_reason=voice.stop_reason)
        if trip.ask.explain and voice is voices[-1]:
            last["alignment"] = reply.explanation_of(trip)
        yield last
    if trip.ask.include_usage:
        yield usage_chunk(trip)
