"""POST /v1/messages/count_tokens: how long a message's prompt is, before it is sent."""

from typing import Any

from gateway.api.answering import bounds_of, conversation_of, let_in, read_json
from gateway.api.leaving import ClientStays
from gateway.api.messages.asked import chat_of
from gateway.api.messages.errors import error_body, own_field
from gateway.api.sender import Sender
from gateway.api.served import Served
from gateway.ask import read_ask
from gateway.counting import count
from gateway.errors import ApiError
from gateway.tools import Tools
from gateway.trip import Trip

Json = dict[str, Any]
# A request for a count has none of these: what answers of any length need is made up, what would be asked is not.
UNASKED = {"max_tokens": 1, "stream": False, "alignment": None}


class CountTokens:
    """Anthropic's token counts, by the tokenizer of the model's own engine."""

    path = "/v1/messages/count_tokens"
    route = "count_tokens"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def error(self, error: ApiError) -> Json:
        """Anthropic's shape."""
        return error_body(error)

    async def __call__(self, scope: Any, receive: Any, sender: Sender, served: Served) -> None:
        """Answer one request; raises ApiError and ClientLeft."""
        with let_in(scope, self._tools):
            chat = chat_of({**await read_json(receive, self._tools.settings), **UNASKED})
            visit = self._tools.quotas.visit(scope["caller"])
            try:
                trip = self._begin(chat, scope)
                async with visit, ClientStays(receive), self._tools.admission.turn(trip):
                    tokens = await count(trip, self._tools)
                await sender.whole(200, {"input_tokens": tokens}, visit.allowance)
            except ApiError as error:
                error.param = own_field(error.param)
                served.error = error
                await sender.fail(error, visit.allowance)

    def _begin(self, chat: Json, scope: Any) -> Trip:
        settings, caller = self._tools.settings, scope["caller"]
        screen = self._tools.screens.of(caller.terms.policy, chat.get("model"))
        bounds = bounds_of(screen, settings, caller)
        return Trip.begin(read_ask(chat, caller, conversation_of(scope), bounds, settings), screen)
