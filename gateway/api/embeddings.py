"""POST /v1/embeddings: texts in, vectors out; no conversation, and so no surface of one.

Each text is read by the guards as a user's message is. Token ids are refused, since no guard reads them.
"""

from dataclasses import replace
from typing import Any

from gateway.api.answering import bounds_of, conversation_of, let_in, read_json
from gateway.api.leaving import ClientStays
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.ask import Ask, read_ask
from gateway.embedding import embed
from gateway.errors import ApiError, BadRequest
from gateway.exchange import EMBEDDING
from gateway.reply import headers_of
from gateway.selection import Selection
from gateway.tools import Tools
from gateway.trip import Trip

Json = dict[str, Any]
# Of the `alignment` field, what has no meaning where nothing is sampled.
OF_SAMPLING = ("strategy", "n", "temperature", "mu", "dial")


class Embeddings:
    """OpenAI's embeddings."""

    path = "/v1/embeddings"
    route = "embeddings"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def error(self, error: ApiError) -> Json:
        """OpenAI's shape."""
        return error.body()

    async def __call__(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        """Answer one request; raises ApiError and ClientLeft."""
        with let_in(scope, self._tools):
            trip = served.trip = await self._begin(scope, receive)
            try:
                async with (
                    self._tools.quotas.charge(trip),
                    ClientStays(receive, trip.leave),
                    self._tools.admission.turn(trip),
                ):
                    body = await embed(trip, self._tools)
                await sender.whole(200, body, headers_of(trip))
            except ApiError as error:
                error.param = field(error.param)
                served.error = error
                await sender.fail(error, headers_of(trip))

    async def _begin(self, scope: Any, receive: Any) -> Trip:
        settings, caller = self._tools.settings, scope["caller"]
        body = turned(await read_json(receive, settings), settings.limits.max_messages)
        screen = self._tools.screens.of(caller.terms.policy, body.get("model"))
        bounds = bounds_of(screen, settings, caller)
        ask = read_ask(body, caller, conversation_of(scope), bounds, settings)
        return Trip.begin(unsampled(ask), screen)


def turned(body: Json, most: int) -> Json:
    """The request with its texts as turns of a user, each of which the guards read; raises BadRequest."""
    check(body)
    rest = {name: value for name, value in body.items() if name != "input"}
    texts = texts_in(body.get("input"), most)
    return {**rest, "messages": [{"role": "user", "content": text} for text in texts]}


def texts_in(given: Any, most: int) -> list[str]:
    """One text or several as several; raises BadRequest."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadRequest("input must be a text or a list of texts: guards read no token ids", param="input")
    if not 1 <= len(texts) <= most:
        raise BadRequest(f"input must hold 1 to {most} texts", param="input")
    return texts


def check(body: Json) -> None:
    """Raise BadRequest for what belongs to conversations."""
    if "messages" in body:
        raise BadRequest("an embedding has an input and no messages", param="messages")
    if body.get("stream"):
        raise BadRequest("an embedding is not streamed", param="stream")
    alignment = body.get("alignment")
    for name in OF_SAMPLING:
        if isinstance(alignment, dict) and name in alignment:
            raise BadRequest("an embedding is not sampled, and nothing is chosen", param=f"alignment.{name}")


def unsampled(ask: Ask) -> Ask:
    """The same without the gateway's defaults for conversations."""
    return replace(ask, selection=Selection(EMBEDDING, 0, 0), samples=0, returned=0)


def field(param: str | None) -> str | None:
    """The turns are the input."""
    return "input" if param and param.startswith("messages") else param
