"""POST /v1/chat/completions: body → version → prompt → job → answer or stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from random import Random
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from gateway.engines.pocket.answers import (
    DONE,
    Choice,
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
from gateway.engines.pocket.job import Job, Sampling
from gateway.engines.pocket.versions import Versions
from gateway.engines.pocket.wire import ChatBody, SamplingBody, unsupported


class Prompts(Protocol):
    """The model's tokenizer and its limits."""

    vocabulary: int

    def render(
        self, messages: Sequence[dict[str, Any]], *, go_on: bool, prompt: bool, template: Mapping[str, Any]
    ) -> tuple[int, ...]: ...

    def room(self, prompt: Sequence[int], wanted: int) -> int: ...

    def token(self, token: int) -> tuple[str, list[int]]: ...


class Chat:
    """Answers chat requests with one model."""

    def __init__(
        self, prompts: Prompts, versions: Versions, batcher: Batcher, seed: int | None = None
    ) -> None:
        self._prompts = prompts
        self._versions = versions
        self._batcher = batcher
        self._seeds = Random(seed)

    async def answer(self, body: ChatBody, request: Request) -> Response:
        """The completion, plain or streamed, as the body asks."""
        served = self._versions.named(body.model)
        refuse_unsupported(body)
        if body.continue_final_message and body.add_generation_prompt:
            raise BadRequest("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
        prompt = await asyncio.to_thread(self._render, body)
        sampling = self._sampling(body, prompt)
        seed = body.seed if body.seed is not None else self._seeds.getrandbits(63)
        job = Job(served.version, prompt, sampling, seed, body.n)
        head = Head(served.name, self._prompts.token, logprobs=sampling.logprobs is not None)
        if body.stream:
            return await unless_gone(request, streamed(self._stream(job, head, usage=body.usage_wanted)))
        return await unless_gone(request, self._whole(job, head))

    def _render(self, body: ChatBody) -> tuple[int, ...]:
        return self._prompts.render(
            [message.plain() for message in body.messages],
            go_on=body.continue_final_message,
            prompt=body.add_generation_prompt,
            template=body.chat_template_kwargs or {},
        )

    def _sampling(self, body: ChatBody, prompt: Sequence[int]) -> Sampling:
        room = self._prompts.room(prompt, body.answer_tokens or 0)
        wanted = body.answer_tokens or room
        if body.min_tokens > wanted:
            raise BadRequest(
                f"min_tokens must be at most max_tokens={wanted}, got {body.min_tokens}.", param="min_tokens"
            )
        if not all(0 <= token < self._prompts.vocabulary for token in body.stop_token_ids or ()):
            raise BadRequest(
                f"stop_token_ids must be from 0 to {self._prompts.vocabulary - 1}.", param="stop_token_ids"
            )
        return sampling_of(body, wanted, body.reported)

    async def _whole(self, job: Job, head: Head) -> Response:
        choices = [Choice(index) for index in range(job.n)]
        async with aclosing(self._batcher.deltas(job)) as arriving:
            async for deltas in arriving:
                for delta in deltas:
                    choices[delta.index].add(delta)
        usage = usage_of(len(job.prompt), sum(len(choice.drawn) for choice in choices))
        return Response(completion(head, choices, usage), media_type="application/json")

    async def _stream(self, job: Job, head: Head, *, usage: bool) -> AsyncGenerator[bytes]:
        chunks, drawn = Chunks(head, job.n), 0
        async with aclosing(self._batcher.deltas(job)) as arriving:
            async for deltas in arriving:
                first = b"" if drawn else opening(head, job.n)
                drawn += len(deltas)
                if frames := first + chunks.of(deltas):
                    yield frames
        if usage:
            yield usage_chunk(head, usage_of(len(job.prompt), drawn))
        yield DONE


def refuse_unsupported(body: SamplingBody) -> None:
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
