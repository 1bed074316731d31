"""The ledger, asked: a page of exchanges by what they are, one by its id."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import Viewer, may_read_text
from gateway.admin.views import Json, exchange_seen
from gateway.errors import NotFound
from gateway.ledger.exchanges import Exchanges, Wanted
from gateway.tools import Tools


class Filters(BaseModel):
    """What a page of exchanges is asked by; newest first, `cursor` from the page before."""

    model_config = ConfigDict(extra="forbid")

    flagged: bool | None = None
    hazard: str | None = None
    version: str | None = None
    alias: str | None = None
    key_id: str | None = None
    since: datetime | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: int | None = Field(None, ge=0, lt=2**63)

    @property
    def wanted(self) -> Wanted:
        """The filters as the ledger knows them."""
        told = self.model_dump(exclude={"limit", "cursor"})
        return Wanted(**told)


def looking_router(tools: Tools) -> APIRouter:
    """The routes; a viewer sees decisions, an operator also what was said."""
    assert tools.ledger is not None
    router, exchanges = APIRouter(), Exchanges(tools.ledger.database)

    @router.get("/admin/exchanges")
    async def page(caller: Viewer, wanted: Annotated[Filters, Query()]) -> Json:
        found = await exchanges.page(wanted.wanted, wanted.limit, wanted.cursor)
        text = may_read_text(caller)
        return {
            "data": [exchange_seen(each, with_text=text) for each in found.exchanges],
            "cursor": found.cursor,
        }

    @router.get("/admin/exchanges/{exchange}")
    async def one(exchange: str, caller: Viewer) -> Json:
        found = await exchanges.get(exchange)
        if found is None:
            raise NotFound(f"there is no exchange {exchange[:80]!r}", param="exchange")
        return exchange_seen(found, with_text=may_read_text(caller))

    return router
