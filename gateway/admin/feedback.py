"""What operators and reviewers say of answers: edits, overturned flags, comparisons; and all that was said."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway import parts
from gateway.admin.access import RANKS, OperatorKey, Viewer, may_read_text
from gateway.admin.views import Json
from gateway.callers import Caller
from gateway.errors import BadRequest, Forbidden, NotFound
from gateway.exchange import Exchange
from gateway.failures import reasons
from gateway.feedback.said import (
    Feedback,
    Kind,
    check_candidate,
    check_overturn,
    earlier_id,
    exchange_named,
    identity,
    place_of,
)
from gateway.feedback.store import FeedbackStore
from gateway.ledger.exchanges import Exchanges
from gateway.tools import Tools
from guards.verdict import Segment

LONGEST_TEXT = 100_000


class Word(BaseModel):
    """An operator's word on an exchange."""

    model_config = ConfigDict(extra="forbid")

    exchange: str = Field(min_length=1, max_length=100)
    kind: Literal["edit", "overturn", "comparison"]
    candidate: int | None = Field(None, ge=0, le=1000)
    other: int | None = Field(None, ge=0, le=1000)
    text: str | None = Field(None, min_length=1, max_length=LONGEST_TEXT)
    force: bool = False  # keep a text that guards withhold; the role admin, and the trail says so


class Wanted(BaseModel):
    """Which feedback; newest first, `cursor` from the page before."""

    model_config = ConfigDict(extra="forbid")

    exchange: str | None = None
    kind: Kind | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


def feedback_router(tools: Tools) -> APIRouter:
    """The routes; a viewer sees what was said of what, an operator also the texts."""
    assert tools.ledger is not None
    router, store = APIRouter(), FeedbackStore(tools.ledger.database)
    exchanges = Exchanges(tools.ledger.database)

    @router.get("/admin/feedback")
    async def page(caller: Viewer, wanted: Annotated[Wanted, Query()]) -> Json:
        found = await store.page(
            wanted.limit, exchange=wanted.exchange, kind=wanted.kind, cursor=wanted.cursor
        )
        text = may_read_text(caller)
        return {"data": [seen(each, with_text=text) for each in found.found], "cursor": found.cursor}

    @router.post("/admin/feedback", status_code=201)
    async def say(word: Word, caller: OperatorKey) -> Json:
        exchange = await exchanges.get(exchange_named(word.exchange))
        if exchange is None:
            raise NotFound(f"there is no exchange {word.exchange[:80]!r}", param="exchange")
        check(word, exchange)
        text = None if word.text is None else await allowed(word, exchange, caller, tools)
        said = said_of(word, exchange, caller, text)
        kept = await store.keep(said, noted=True, earlier=earlier_id(exchange, said))
        return seen(kept, with_text=True)

    @router.delete("/admin/feedback/{feedback}")
    async def remove(feedback: str, caller: OperatorKey) -> Json:
        await store.remove(feedback, caller.id)
        return {"id": feedback, "deleted": True}

    return router


def said_of(word: Word, exchange: Exchange, caller: Caller, text: str | None) -> Feedback:
    """The word as it is kept."""
    place = place_of(exchange, word.candidate) if word.kind == "edit" else word.candidate
    return Feedback(
        id=identity(exchange.id, word.kind, caller.id, place, word.other),
        exchange_id=exchange.id,
        kind=word.kind,
        key_id=caller.id,
        role=caller.role,
        candidate=place,
        other=word.other,
        text=text,
        subject=exchange.subject,
    )


def check(word: Word, exchange: Exchange) -> None:
    """Raise BadRequest naming the field that does not go with the kind of word, or with the exchange."""
    check_candidate(exchange, "candidate", word.candidate)
    check_candidate(exchange, "other", word.other)
    if word.kind == "comparison":
        if word.candidate is None or word.other is None or word.candidate == word.other:
            raise BadRequest("other: a comparison names two candidates, the better one first", param="other")
        if word.text is not None:
            raise BadRequest("text: a comparison brings none", param="text")
        return
    if word.other is not None:
        raise BadRequest("other: only a comparison names a second candidate", param="other")
    if word.kind == "edit" and word.text is None:
        raise BadRequest("text: an edit brings the better text", param="text")
    if word.kind == "overturn":
        check_overturn(exchange, word.candidate, word.text)


async def allowed(word: Word, exchange: Exchange, caller: Caller, tools: Tools) -> str:
    """The text as the guard policy in force lets it pass: it will be held up as an example.

    Raises BadRequest where guards withhold it, and Forbidden where somebody below an admin would force it.
    """
    context = parts.turns({"messages": [dict(message) for message in exchange.messages]})
    screening = await tools.screens.current.reply([Segment(str(word.text), "reply")], context)
    if not screening.withheld:
        return screening.text
    if not word.force:
        why = reasons(screening)
        raise BadRequest(
            f"text: the guards withhold it: {why}", param="text", code="content_policy_violation"
        )
    if RANKS[caller.role] < RANKS["admin"]:
        raise Forbidden("force: needs the role admin", param="force", code="role")
    return str(word.text)


def seen(said: Feedback, *, with_text: bool) -> Json:
    """Feedback as it is shown."""
    told: Mapping[str, object] = asdict(said)
    hidden = () if with_text else ("text", "subject")
    return {name: value for name, value in told.items() if name not in hidden}
