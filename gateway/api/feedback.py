"""POST /v1/feedback: what a user thought of an answer, told by the application that asked for it."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import RANKS
from gateway.api.models import caller_of
from gateway.callers import Caller
from gateway.errors import NotFound, Unavailable
from gateway.exchange import Exchange
from gateway.feedback.said import (
    Feedback,
    check_candidate,
    earlier_id,
    exchange_named,
    identity,
    place_of,
)
from gateway.feedback.store import FeedbackStore
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.exchanges import Exchanges
from gateway.tools import Tools

TRIES, PAUSE_SECONDS = 10, 0.1
UNKNOWN = (
    "no exchange of this key has this id; of answers that nothing flagged the ledger may keep only a sample"
)
VALUES = {"up": 1.0, "down": -1.0}


class Rating(BaseModel):
    """A thumb; no candidate means the answer that was delivered."""

    model_config = ConfigDict(extra="forbid")

    exchange: str = Field(
        min_length=1, max_length=100
    )  # as x-trimtab-exchange told it, or the answer's own id
    rating: Literal["up", "down"]
    candidate: int | None = Field(None, ge=0, le=1000)


async def soon(exchanges: Exchanges, exchange_id: str) -> Exchange | None:
    """The exchange, waited for a moment: an answer leaves a little before the tables have its record."""
    for _ in range(TRIES):
        found = await exchanges.get(exchange_id)
        if found is not None:
            return found
        await asyncio.sleep(PAUSE_SECONDS)
    return None


def feedback_router(tools: Tools) -> APIRouter:
    """The route; a second thumb of the same key on the same answer replaces the first."""
    router = APIRouter()

    @router.post("/v1/feedback", status_code=201)
    async def rate(told: Rating, caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        if tools.ledger is None:
            raise Unavailable("nothing is recorded here, and so nothing can be rated", code="no_ledger")
        try:
            exchange = await soon(Exchanges(tools.ledger.database), exchange_named(told.exchange))
            mine = exchange is not None and exchange.key_id == caller.id
            if exchange is None or not (mine or RANKS[caller.role] >= RANKS["operator"]):
                raise NotFound(f"exchange: {UNKNOWN}", param="exchange", code="exchange_not_found")
            check_candidate(exchange, "candidate", told.candidate)
            place = place_of(exchange, told.candidate)
            said = Feedback(
                id=identity(exchange.id, "thumb", caller.id, place),
                exchange_id=exchange.id,
                kind="thumb",
                key_id=caller.id,
                role=caller.role,
                candidate=place,
                value=VALUES[told.rating],
                subject=exchange.subject,
            )
            store, earlier = FeedbackStore(tools.ledger.database), earlier_id(exchange, said)
            kept = await store.keep(said, noted=False, earlier=earlier)
        except LedgerFailed as error:
            raise Unavailable("the ledger is away; try again later", code="ledger") from error
        return {"id": kept.id, "object": "feedback", "exchange": exchange.id, "rating": told.rating}

    return router
