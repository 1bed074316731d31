"""Erasing a subject over HTTP, and what was erased; the role admin alone."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import Admin
from gateway.admin.views import Json
from gateway.erasure.erase import erase, erasures
from gateway.exchange import LONGEST_SUBJECT
from gateway.tools import Tools


class Asked(BaseModel):
    """Whose data, and why; the name itself is forgotten with them."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(min_length=1, max_length=LONGEST_SUBJECT)
    cause: str = Field(min_length=1, max_length=500)


def erasures_router(tools: Tools) -> APIRouter:
    """The routes."""
    assert tools.ledger is not None
    router, database = APIRouter(), tools.ledger.database

    @router.get("/admin/erasures")
    async def all_(caller: Admin, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Json:
        return {"data": await erasures(database, limit)}

    @router.post("/admin/erasures", status_code=201)
    async def erase_(asked: Asked, caller: Admin) -> Json:
        return asdict(await erase(database, asked.subject, asked.cause, caller.id))

    return router
