"""POST /tokenize: the tokens that a prompt has for the model."""

import asyncio
from typing import Any

from gateway.engines.pocket.answering import Prompts, Tokens, refuse_unsupported
from gateway.engines.pocket.chat import rendered
from gateway.engines.pocket.versions import Versions
from gateway.engines.pocket.wire import TokenizeChat, TokenizeText


class Tokenizer:
    """Answers in vLLM's shape."""

    def __init__(self, prompts: Prompts, versions: Versions, context: int) -> None:
        self._prompts = prompts
        self._versions = versions
        self._context = context

    async def answer(self, body: TokenizeText | TokenizeChat) -> dict[str, Any]:
        """A prompt's tokens, and how many they are."""
        self._versions.named(body.model)
        refuse_unsupported(body)
        tokens = await asyncio.to_thread(self._read, body)
        told = {"count": len(tokens), "max_model_len": self._context, "tokens": tokens}
        return {**told, "token_strs": None}

    def _read(self, body: TokenizeText | TokenizeChat) -> Tokens:
        if isinstance(body, TokenizeText):
            return self._prompts.encode(body.prompt, special=body.add_special_tokens)
        return rendered(self._prompts, body)
