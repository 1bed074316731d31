"""The waiting that a response needs: for what it goes on from, and until its answer is stored.

An answer is stored before its last byte goes out, so that a client may fetch it at once. Where that fails, the client
gets its answer all the same, with `store` false in it; a plain answer also says so in x-trimtab-degraded, which for a
stream went out long before. A failed or broken-off answer is not stored.
"""

import logging

from gateway.api.answering import Answering, Json
from gateway.api.responses.asked import Past, references_in
from gateway.api.responses.items import response_of_item
from gateway.api.responses.surface import ResponseSurface
from gateway.callers import Caller
from gateway.errors import BadRequest, TooLarge, Unavailable
from gateway.ledger.contract import LedgerFailed, LedgerUnavailable, NotInLedger
from gateway.ledger.responses import ConversationTooLong, Responses, Stored
from gateway.restoring import concealed
from gateway.tools import Tools
from gateway.trip import Trip

NOT_STORED = "responses: not stored"

log = logging.getLogger(__name__)


class Remembering(Answering[ResponseSurface]):
    """Answers requests to /v1/responses."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(ResponseSurface(), tools)

    async def surface_for(self, body: Json, caller: Caller) -> ResponseSurface:
        """A surface that knows what the request refers to; raises ApiError where that cannot be known."""
        previous, references = body.get("previous_response_id"), references_in(body)
        if not previous and not references:
            return ResponseSurface()
        if len(references) > (most := self._tools.settings.limits.max_messages):
            raise BadRequest(f"an input may refer to at most {most} items", param="input")
        try:
            items = await self._conversation(previous, caller) if isinstance(previous, str) else []
            return ResponseSurface(Past(tuple(items), await self._by_id(references, caller)))
        except NotInLedger:
            told = f"there is no response {str(previous)[:100]!r}, or one that it goes on from is gone"
            code = "previous_response_not_found"
            raise BadRequest(told, param="previous_response_id", code=code) from None
        except ConversationTooLong as error:
            raise TooLarge(str(error), param="previous_response_id") from None
        except LedgerFailed as error:
            raise away() from error

    async def _conversation(self, response_id: str, caller: Caller) -> list[Json]:
        most = self._tools.settings.limits.max_body_bytes
        return await responses_of(self._tools).conversation(response_id, caller.id, most)

    async def _by_id(self, item_ids: list[str], caller: Caller) -> dict[str, Json]:
        """The items that are there of those asked for."""
        wanted = {found for item_id in item_ids if (found := response_of_item(item_id))}
        stored = await responses_of(self._tools).among(wanted, caller.id) if wanted else []
        return {item["id"]: item for each in stored for item in each.items}

    async def keep(self, surface: ResponseSurface, trip: Trip) -> None:
        """Store the answer, or say in it that it is not."""
        assert surface.answer is not None
        response = surface.answer.complete
        if not response["store"]:
            return
        previous = response["previous_response_id"]
        kept = concealed(trip.vault, response)
        stored = Stored(response["id"], trip.ask.caller.id, kept, surface.answer.stored_input(), previous)
        try:
            await responses_of(self._tools).keep(stored)
        except LedgerFailed as error:
            log.warning("a response is given and not stored: %s", error)
            response["store"] = False
            trip.degraded.append(NOT_STORED)
            self._tools.metrics.degraded.labels(NOT_STORED).inc()


def responses_of(tools: Tools) -> Responses:
    """What is stored; raises LedgerUnavailable where nothing is."""
    if tools.responses is None:
        raise LedgerUnavailable("this gateway stores no responses")
    return tools.responses


def away() -> Unavailable:
    """The error of a request that cannot be answered without what is stored."""
    return Unavailable("stored responses cannot be reached now; try again later", code="ledger_unavailable")
