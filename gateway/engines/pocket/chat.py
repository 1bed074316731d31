"""POST /v1/chat/completions: messages → prompt → an answer in the shape of a chat."""

import asyncio

from fastapi import Request, Response

from gateway.engines.pocket.answering import Answering, Prompts, Tokens
from gateway.engines.pocket.errors import BadRequest
from gateway.engines.pocket.shapes import CHAT
from gateway.engines.pocket.wire import ChatBody, Conversation


class Chat:
    """Answers chat requests."""

    def __init__(self, prompts: Prompts, answering: Answering) -> None:
        self._prompts = prompts
        self._answering = answering

    async def answer(self, body: ChatBody, request: Request) -> Response:
        """The completion, plain or streamed, as the body asks."""
        served = self._answering.version_for(body)
        check_logprobs(body)
        prompt = await asyncio.to_thread(rendered, self._prompts, body)
        return await self._answering.answer(body, served, [prompt], CHAT, request)


def check_logprobs(body: ChatBody) -> None:
    """Alternatives are beside log probabilities or nowhere; raises BadRequest."""
    if body.top_logprobs and not body.logprobs:
        message = "When using `top_logprobs`, `logprobs` must be set to true."
        raise BadRequest(message, param="top_logprobs")


def rendered(prompts: Prompts, body: Conversation) -> Tokens:
    """A conversation as the model reads it; raises BadRequest."""
    if body.continue_final_message and body.add_generation_prompt:
        raise BadRequest("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
    return prompts.render(
        [message.plain() for message in body.messages],
        go_on=body.continue_final_message,
        prompt=body.add_generation_prompt,
        template=body.chat_template_kwargs or {},
    )
