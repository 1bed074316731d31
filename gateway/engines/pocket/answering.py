"""From prompts to an answer or a stream, whatever its shape: version → jobs → deltas → bytes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from random import Random
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from gateway.engines.interleaved import interleaved
from gateway.engines.pocket.answers import (
    DONE,
    Chunks,
    Head,
    completion,
    frame,
    opening,
    usage_chunk,
    usage_of,
)
from gateway.engines.pocket.batcher import Batcher
from gateway.engines.pocket.errors import BadRequest, PocketError
from gateway.engines.pocket.job import Delta, Job, Sampling
from gateway.engines.pocket.shapes import Choice, Shape
from gateway.engines.pocket.versions import Served, Versions
from gateway.engines.pocket.wire import Body, SamplingBody, unsupported

Tokens = tuple[int, ...]


class Prompts(Protocol):
    """The model's tokenizer and its limits."""

    vocabulary: int

    def render(
        self, messages: Sequence[dict[str, Any]], *, go_on: bool, prompt: bool, template: Mapping[str, Any]
    ) -> Tokens: ...

    def encode(self, text: str, *, special: bool = True) -> Tokens: ...

    def room(self, prompt: Sequence[int], wanted: int) -> int: ...

    def token(self, token: int) -> tuple[str, list[int]]: ...


class Answering:
    """Answers with one model."""

    def __init__(
        self, prompts: Prompts, versions: Versions, batcher: Batcher, seed: int | None = None
    ) -> None:
        self._prompts = prompts
        self._versions = versions
        self._batcher = batcher
        self._seeds = Random(seed)

    def version_for(self, body: SamplingBody) -> Served:
        """Who answers; raises UnknownModel, and BadRequest for what nobody here can do."""
        served = self._versions.named(body.model)
        refuse_unsupported(body)
        return served

    async def answer(
        self, body: SamplingBody, served: Served, prompts: Sequence[Tokens], shape: Shape, request: Request
    ) -> Response:
        """The completion of each prompt, plain or streamed, as the body asks."""
        jobs = [self._job(body, served, prompt) for prompt in prompts]
        head = Head(served.name, self._prompts.token, body.reported is not None, shape)
        if body.stream:
            return await unless_gone(request, streamed(self._stream(jobs, head, usage=body.usage_wanted)))
        return await unless_gone(request, self._whole(jobs, head))

    def _job(self, body: SamplingBody, served: Served, prompt: Tokens) -> Job:
        seed = body.seed if body.seed is not None else self._seeds.getrandbits(63)
        return Job(served.version, prompt, self._sampling(body, prompt), seed, body.n)

    def _sampling(self, body: SamplingBody, prompt: Tokens) -> Sampling:
        room = self._prompts.room(prompt, body.answer_tokens or 0)
        wanted = body.answer_tokens or min(room, body.usual_tokens or room)
        if body.min_tokens > wanted:
            raise BadRequest(
                f"min_tokens must be at most max_tokens={wanted}, got {body.min_tokens}.", param="min_tokens"
            )
        if not all(0 <= token < self._prompts.vocabulary for token in body.stop_token_ids or ()):
            raise BadRequest(
                f"stop_token_ids must be from 0 to {self._prompts.vocabulary - 1}.", param="stop_token_ids"
            )
        return sampling_of(body, wanted, body.reported)

    async def _whole(self, jobs: Sequence[Job], head: Head) -> Response:
        choices = [Choice(index) for index in range(choices_of(jobs))]
        async with aclosing(self._deltas(jobs)) as arriving:
            async for deltas in arriving:
                for delta in deltas:
                    choices[delta.index].add(delta)
        usage = usage_of(prompt_of(jobs), sum(len(choice.drawn) for choice in choices))
        return Response(completion(head, choices, usage), media_type="application/json")

    async def _stream(self, jobs: Sequence[Job], head: Head, *, usage: bool) -> AsyncGenerator[bytes]:
        n, drawn = choices_of(jobs), 0
        chunks = Chunks(head, n)
        async with aclosing(self._deltas(jobs)) as arriving:
            async for deltas in arriving:
                first = b"" if drawn else opening(head, n)
                drawn += len(deltas)
                if frames := first + chunks.of(deltas):
                    yield frames
        if usage:
            yield usage_chunk(head, usage_of(prompt_of(jobs), drawn))
        yield DONE

    def _deltas(self, jobs: Sequence[Job]) -> AsyncGenerator[list[Delta]]:
        return self._batcher.deltas(jobs[0]) if len(jobs) == 1 else self._deltas_of_all(jobs)

    async def _deltas_of_all(self, jobs: Sequence[Job]) -> AsyncGenerator[list[Delta]]:
        """The deltas of several jobs, their choices numbered on from job to job."""
        async with aclosing(interleaved([self._batcher.deltas(job) for job in jobs])) as arriving:
            async for place, deltas in arriving:
                first = place * jobs[0].n
                yield [replace(each, index=first + each.index) for each in deltas] if first else deltas


def choices_of(jobs: Sequence[Job]) -> int:
    return sum(job.n for job in jobs)


def prompt_of(jobs: Sequence[Job]) -> int:
    return sum(len(job.prompt) for job in jobs)


def refuse_unsupported(body: Body) -> None:
    if field := unsupported(body):
        raise BadRequest(
            f"The pocket engine does not support `{field}`; leave it out, or serve with vLLM.", param=field
        )


def sampling_of(body: SamplingBody, max_tokens: int, logprobs: int | None) -> Sampling:
    """A body's sampling fields with vLLM's defaults."""
    return Sampling(
        max_tokens=max_tokens,
        min_tokens=body.min_tokens,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=max(body.top_k or 0, 0),
        min_p=body.min_p or 0.0,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
        stop=body.stops,
        keep_stop=body.include_stop_str_in_output,
        stop_tokens=frozenset(body.stop_token_ids or ()),
        ignore_eos=body.ignore_eos,
        logprobs=logprobs,
    )


async def streamed(frames: AsyncGenerator[bytes]) -> Response:
    """A stream that has begun: a failure before is an HTTP error, one after it an error frame."""
    first = await anext(frames)
    return StreamingResponse(_told(first, frames), media_type="text/event-stream")


async def _told(first: bytes, frames: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(frames):
        try:
            yield first
            async for more in frames:
                yield more
        except PocketError as error:
            yield frame(error.body())


async def unless_gone(request: Request, answer: Coroutine[None, None, Response]) -> Response:
    """The answer, given up as soon as the client hangs up."""
    working = asyncio.create_task(answer)
    leaving = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else Response(status_code=499)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
