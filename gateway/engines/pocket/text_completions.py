"""POST /v1/completions: a text, several, or their token ids → prompts → how each goes on."""

import asyncio
from collections.abc import Iterator

from fastapi import Request, Response

from gateway.engines.pocket.answering import Answering, Prompts, Tokens
from gateway.engines.pocket.errors import BadRequest
from gateway.engines.pocket.shapes import TEXT
from gateway.engines.pocket.wire import CompletionBody


class TextCompletions:
    """Continues texts, without a chat template."""

    def __init__(self, prompts: Prompts, answering: Answering) -> None:
        self._prompts = prompts
        self._answering = answering

    async def answer(self, body: CompletionBody, request: Request) -> Response:
        """How each prompt goes on, plain or streamed, as the body asks."""
        served = self._answering.version_for(body)
        prompts = await asyncio.to_thread(lambda: list(self._read(body)))
        return await self._answering.answer(body, served, prompts, TEXT, request)

    def _read(self, body: CompletionBody) -> Iterator[Tokens]:
        for given in body.prompts:
            prompt = self._prompts.encode(given) if isinstance(given, str) else tuple(given)
            if not prompt:
                raise BadRequest("A prompt must have at least one token.", param="prompt")
            if not all(0 <= token < self._prompts.vocabulary for token in prompt):
                raise BadRequest(f"Tokens must be from 0 to {self._prompts.vocabulary - 1}.", param="prompt")
            yield prompt
