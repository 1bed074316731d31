"""The journey of a streamed answer: pipeline.py's until it is sampled, then guarded piece by piece.

Text is held back, released once every guard has passed it, and screened whole when its choice ends. The
chunks that finish the choices go out last, once the exchange is recorded: no client has all of it before.
Whoever consumes the chunks writes `[DONE]` when they end, and an error frame when they raise.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from gateway import media, parts, reply
from gateway.additions import addition_to
from gateway.ask import speaks_at_once
from gateway.called import called, may_be_called
from gateway.chunks import chunks_of
from gateway.clock import Limit
from gateway.engines.contract import EngineFailed, EngineTimedOut
from gateway.exchange import Candidate, Usage
from gateway.failures import violation
from gateway.framing import Framing
from gateway.gathering.blocks import spoken_blocks
from gateway.logprobs import spell_more
from gateway.pipeline import Remembered, answer, choose, choose_version, deliver, screen_prompt
from gateway.restoring import Restoring
from gateway.sampling import engine_body, usage_in
from gateway.scoring import score
from gateway.screening import note_failed_guards
from gateway.strategies import STRATEGIES
from gateway.together import Said, read_on
from gateway.tools import Tools
from gateway.trip import Trip
from gateway.voice import Voice
from guards.screen import NOTHING
from guards.verdict import Screening, Segment

Json = dict[str, Any]


async def stream(trip: Trip, tools: Tools) -> AsyncGenerator[list[Json], None]:
    """The chunks of one chat completion, those at once that may leave at once; raises ApiError, at any time."""
    # Where one wins, or may have to be revised, nothing can leave before all is heard.
    if not speaks_at_once(trip.ask.strategy) or trip.screen.policy.revises_streams:
        ending = chunks_of(trip, await answer(trip, tools))
    else:
        async with Remembered(trip, tools):
            await screen_prompt(trip, tools)
            if trip.refused:
                ending = chunks_of(trip, reply.body_of(trip, deliver(trip)))
            else:
                voices, framing = voices_of(trip), Framing(trip.ask, prompt_cut=trip.prompt_cut)
                restoring = Restoring(trip.vault)
                async with aclosing(spoken(trip, voices, framing, tools)) as chunks:
                    async for together in chunks:
                        yield restoring.restored(together)
                if STRATEGIES[trip.ask.strategy].gathers == "blocks":
                    await score(trip, tools)
                conclude(trip, voices)
                ending = iter(restoring.restored(finishing(trip, voices, framing)))
    yield list(ending)


def voices_of(trip: Trip) -> list[Voice]:
    """One for each choice."""
    kept = trip.screen.policy.stream
    return [
        Voice(index, kept.hold_back_chars, kept.overlap_chars, trip.receipt)
        for index in range(trip.ask.returned)
    ]


async def spoken(
    trip: Trip, voices: list[Voice], framing: Framing, tools: Tools
) -> AsyncGenerator[list[Json], None]:
    """The chunks that may go out while the engine speaks; what was heard is kept, however it ends."""
    try:
        async with aclosing(speak(trip, voices, framing, tools)) as chunks:
            async for together in chunks:
                yield together
    finally:
        trip.candidates = tuple(map(candidate_of, voices))


async def speak(
    trip: Trip, voices: list[Voice], framing: Framing, tools: Tools
) -> AsyncGenerator[list[Json], None]:
    """The chunks that may go out while the engine speaks; ends when it does, or when all is withheld."""
    model, ended = choose_version(trip, tools), Said()
    with tools.router.lease(trip.version):
        async with aclosing(heard(trip, model, framing, tools)) as batches:
            async for choices in batches:
                said: list[Json] = []
                for voice, own in by_voice(choices, voices):
                    if not voice.over:
                        said += map(framing.chunk, await guarded(voice, own, trip, ended))
                if said:
                    yield said
                if all(each.over for each in voices) and any(each.cut_off for each in voices):
                    return  # which hangs up: nobody will hear the rest
    if silent := [voice.index for voice in voices if not voice.over]:
        raise EngineFailed(f"the engine's stream ended before choice {silent[0]} was finished")


async def heard(
    trip: Trip, model: str, framing: Framing, tools: Tools
) -> AsyncGenerator[list[parts.Json], None]:
    """The choices in the engine's chunks, as they came together; what stands around them is kept."""
    async with aclosing(source(trip, model, tools)) as received:
        while (together := await next_chunks(trip, received)) is not None:
            yield [choice for found in together for choice in choices_in(found, trip, framing)]


def source(trip: Trip, model: str, tools: Tools) -> AsyncGenerator[list[Json], None]:
    """Whose chunks are heard: the engine's own, or those of an answer that is chosen block by block."""
    if STRATEGIES[trip.ask.strategy].gathers == "blocks":
        return spoken_blocks(trip, model, tools)
    body = engine_body(trip, model)
    body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return tools.engine.stream(body, trip.ask.kind, trip.affinity)


def choices_in(found: Json, trip: Trip, framing: Framing) -> list[parts.Json]:
    """The choices of one chunk; raises Unscannable where it is none."""
    choices = found.get("choices")
    if not isinstance(choices, list):
        raise parts.Unscannable("a frame that is no chat completion chunk")
    framing.hear(found)
    if found.get("usage"):
        trip.usage = usage_in(found)
        trip.completion = {"usage": found["usage"]}
    return choices


async def next_chunks(trip: Trip, received: AsyncIterator[list[Json]]) -> list[Json] | None:
    """The engine's next chunks; None at its end."""
    with trip.stage("engine"):
        try:
            with Limit(trip.seconds_left):
                return await anext(received, None)
        except TimeoutError:
            raise EngineTimedOut("the engine did not finish within the request's deadline") from None


def by_voice(choices: list[parts.Json], voices: list[Voice]) -> Iterator[tuple[Voice, list[parts.Json]]]:
    """Each voice of which something was heard, and what; raises Unscannable."""
    own: dict[int, list[parts.Json]] = {}
    for choice in choices:
        own.setdefault(voice_for(choice, voices).index, []).append(choice)
    # In their own order, whoever was heard first: each is read on from those before it that have ended.
    return ((voices[index], own[index]) for index in sorted(own))


def voice_for(choice: parts.Json, voices: list[Voice]) -> Voice:
    """Whose delta this is; raises Unscannable when it is nobody's."""
    index = choice.get("index", 0) if isinstance(choice, dict) else None
    if not isinstance(index, int) or not 0 <= index < len(voices):
        raise parts.Unscannable("a choice that was not asked for")
    return voices[index]


async def guarded(voice: Voice, choices: list[parts.Json], trip: Trip, ended: Said) -> list[Json]:
    """The choices that a voice may say after some more from the engine; `ended` is what others have said by then."""
    said: list[Json] = []
    due = voice.hear_all(choices)
    await spell(voice, trip)
    if not await may_call(voice, trip):
        return said
    for line, piece in due:
        screening = await screened(trip, line.segments(piece))
        if voice.doubts(line, piece, screening):
            continue
        if not voice.judge(line, piece, screening):
            return said
        said += voice.pass_piece(line, piece, screening)
    if voice.news and not voice.admit(await screened(trip, [], voice.news)):
        return said
    if voice.finish_reason is None:
        return said
    message = voice.whole()
    found = parts.of_reply(message)
    segments = [part.segment for part in found]
    screening = await screened_whole(trip, segments, media.unread_in_reply(message), ended)
    if voice.judge_whole(found, screening):
        ended.add(screening.segments)
        said += voice.pass_whole(found, screening)
    return said


async def spell(voice: Voice, trip: Trip) -> None:
    """Has guards read what log probabilities spell beside the text."""
    spelled = voice.phrasing.spelled
    if spelled.news:
        spelled.news = False
        voice.phrasing.redacted |= await spell_more(spelled.beside, trip)


async def may_call(voice: Voice, trip: Trip) -> bool:
    """Whether the policy lets the choice go on with the calls that it has begun."""
    for call in called(voice):
        if not may_be_called(voice, await screened(trip, call.heads())):
            return False
    return True


async def screened(trip: Trip, segments: Sequence[Segment], unread: Mapping[str, int] = NOTHING) -> Screening:
    """What the policy makes of some of what a voice said."""
    with trip.stage("screen_candidates"):
        screening = await trip.screen.reply(segments, trip.context, unread)
    note_failed_guards(trip, screening)
    return screening


async def screened_whole(
    trip: Trip, segments: Sequence[Segment], unread: Mapping[str, int], ended: Said
) -> Screening:
    """The same of all that a voice has said, which is read on from the voices that have ended, too."""
    screening = await screened(trip, segments, unread)
    with trip.stage("screen_candidates"):
        screening = await read_on(screening, ended, trip)
    note_failed_guards(trip, screening)
    return screening


def conclude(trip: Trip, voices: list[Voice]) -> None:
    """What the stream came to, for the record; raises ApiError where the policy wants an error."""
    if not trip.usage.total:  # the engine was cut off before it told
        trip.usage = Usage(0, sum(voice.tokens for voice in voices))
    choose(trip)
    trip.delivered = tuple(
        voice.delivered + added(voice, trip) if voice.phrasing.introduced else trip.refusal_text
        for voice in voices
    )
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


def finishing(trip: Trip, voices: list[Voice], framing: Framing) -> Iterator[Json]:
    """The chunks that finish the choices, and usage where it was asked for."""
    for voice in voices:
        if voice.withheld:
            said = {} if voice.phrasing.introduced else {"role": "assistant", "content": trip.refusal_text}
            end = {"index": voice.index, "delta": said, "logprobs": None, "finish_reason": "content_filter"}
            last = framing.chunk(end)
        else:
            if more := added(voice, trip):
                trip.receipt.added(more)
                delta = {"content": more}
                yield framing.chunk(
                    {"index": voice.index, "delta": delta, "logprobs": None, "finish_reason": None}
                )
            last = framing.chunk(voice.phrasing.finish())
        if trip.ask.explain and voice is voices[-1]:
            last["alignment"] = reply.explanation_of(trip)
        yield last
    if trip.ask.include_usage:
        yield framing.usage(reply.usage_of(trip))


def added(voice: Voice, trip: Trip) -> str:
    """What the policy adds to what a voice has said."""
    if voice.withheld or not trip.screen.policy.document.additions:
        return ""
    return addition_to({**voice.whole(), "content": voice.delivered}, trip)
