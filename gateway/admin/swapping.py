"""Versions and rollouts: the routes by which a better policy comes in, and goes out again."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import Admin, Viewer
from gateway.admin.adapters import placed, version_of
from gateway.admin.fence import Fence
from gateway.admin.operator import Operator
from gateway.admin.rollouts import MOVES, Rollouts
from gateway.admin.trail import trail
from gateway.admin.versions import Versions
from gateway.admin.views import Json, version_seen
from gateway.admin.weights.operating import How
from gateway.callers import Caller
from gateway.ledger.database import Database
from gateway.tools import BASE_VERSION, Tools

TRAIL = 50


class Asked(BaseModel):
    """A request of an operator; a field that is not understood is refused."""

    model_config = ConfigDict(extra="forbid")


class NewVersion(Asked):
    """A directory of an adapter or a whole model, or its URL in the store; without an id it is named by its content."""

    path: str
    id: str | None = None
    parent: str | None = BASE_VERSION
    lineage: dict[str, Any] = {}


class NewWeights(Asked):
    """An alias's weights, and why."""

    alias: str
    weights: dict[str, float]
    cause: str = Field(min_length=1, max_length=500)
    evidence: dict[str, Any] = {}
    expected: dict[str, float] | None = None  # refused with 409 when other weights are in force
    allow_gap: bool = False  # whether nobody may answer while the only engine gets other full weights
    fence: Fence | None = None  # of a worker: refused with 409 when it has lost its lease


class Undo(Asked):
    """An alias to bring back to its earlier weights, and why."""

    alias: str
    cause: str = Field(min_length=1, max_length=500)
    expected: dict[str, float] | None = None  # refused with 409 when other weights are in force


class Retirement(Asked):
    """How long to wait for requests in flight."""

    timeout_seconds: float = Field(30.0, ge=0, le=600)


def operator(tools: Tools, caller: Caller) -> Operator:
    """Who acts for the caller."""
    return Operator(tools, ledger_of(tools), caller.id)


def ledger_of(tools: Tools) -> Database:
    """The database; the operator's surface is not built without one."""
    assert tools.ledger is not None
    return tools.ledger.database


def versions_router(tools: Tools) -> APIRouter:
    """The routes of versions; changes need the role admin."""
    router, database = APIRouter(), ledger_of(tools)

    @router.get("/admin/versions")
    async def versions(caller: Viewer) -> Json:
        weights = await Rollouts(database).weights()
        return {"data": [version_seen(each, weights) for each in await Versions(database).all()]}

    @router.post("/admin/versions", status_code=201)
    async def register(new: NewVersion, caller: Admin) -> Json:
        place = await placed(new.path, tools.fetching.store if tools.fetching else None)
        version = await version_of(place, tools.settings.base_model, new.id, new.parent, new.lineage)
        return version_seen(await Versions(database).register(version, caller.id), {})

    @router.post("/admin/versions/{version}/stage")
    async def stage(version: str, caller: Admin) -> Json:
        return await operator(tools, caller).stage(version)

    @router.post("/admin/versions/{version}/retire")
    async def retire(version: str, how: Retirement, caller: Admin) -> Json:
        return await operator(tools, caller).retire(version, how.timeout_seconds)

    return router


def rollouts_router(tools: Tools) -> APIRouter:
    """The routes of weights; changes need the role admin."""
    router, database = APIRouter(), ledger_of(tools)

    @router.get("/admin/rollouts")
    async def rollouts(caller: Viewer) -> Json:
        weights = await Rollouts(database).weights()
        return {"aliases": weights, "transitions": await trail(database, MOVES, None, TRAIL)}

    @router.post("/admin/rollouts")
    async def roll_out(new: NewWeights, caller: Admin) -> Json:
        told, how = (
            (new.alias, new.weights, new.cause, new.evidence),
            How(new.expected, new.allow_gap, new.fence),
        )
        return asdict(await operator(tools, caller).roll_out(*told, how=how))

    @router.post("/admin/rollback")
    async def roll_back(undo: Undo, caller: Admin) -> Json:
        return asdict(await operator(tools, caller).roll_back(undo.alias, undo.cause, undo.expected))

    return router
