"""The audit trail over HTTP: every change of versions, routes, keys and policy, and who made it why."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import Viewer
from gateway.admin.trail import trail
from gateway.admin.views import Json
from gateway.tools import Tools

KINDS = ("version", "rollout", "rollback", "key", "policy", "retraining", "engine")


class Wanted(BaseModel):
    """Which changes: of some kinds, of one subject (an alias, a version, a key …); the latest first."""

    model_config = ConfigDict(extra="forbid")

    kind: list[str] = Field(default=list(KINDS), max_length=20)
    subject: str | None = None
    limit: int = Field(50, ge=1, le=500)


def audit_router(tools: Tools) -> APIRouter:
    """The route."""
    assert tools.ledger is not None
    router, database = APIRouter(), tools.ledger.database

    @router.get("/admin/transitions")
    async def transitions(caller: Viewer, wanted: Annotated[Wanted, Query()]) -> Json:
        return {"data": await trail(database, wanted.kind, wanted.subject, wanted.limit)}

    return router
