"""The engines over HTTP: how each fares, and taking one out for its maintenance."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import Admin, Viewer
from gateway.admin.drains import KIND, put
from gateway.admin.trail import Change
from gateway.admin.views import Json, engine_seen
from gateway.engines.replica import Replica
from gateway.errors import NotFound
from gateway.tools import Tools


class Return(BaseModel):
    """Why an engine takes requests again."""

    model_config = ConfigDict(extra="forbid")

    cause: str = Field(min_length=1, max_length=500)


class Drain(Return):
    """Why an engine is taken out, and how long to wait for its requests in flight."""

    timeout_seconds: float = Field(30.0, ge=0, le=600)


def engines_router(tools: Tools) -> APIRouter:
    """The routes; changes need the role admin. What is outstanding is told of this process alone."""
    assert tools.ledger is not None
    router, database = APIRouter(), tools.ledger.database

    @router.get("/admin/engines")
    async def engines(caller: Viewer) -> Json:
        return {"data": [seen(tools, each) for each in tools.engine.replicas]}

    @router.post("/admin/engines/{name}/drain")
    async def drain(name: str, how: Drain, caller: Admin) -> Json:
        replica = known(tools, name)
        change = Change(KIND, name, {"draining": False}, {"draining": True}, how.cause)
        await put(tools, database, change, caller.id)
        idle = await replica.idle(how.timeout_seconds)
        return {**seen(tools, replica), "idle": idle}

    @router.post("/admin/engines/{name}/resume")
    async def resume(name: str, why: Return, caller: Admin) -> Json:
        replica = known(tools, name)
        change = Change(KIND, name, {"draining": True}, {"draining": False}, why.cause)
        await put(tools, database, change, caller.id)
        return seen(tools, replica)

    return router


def seen(tools: Tools, replica: Replica) -> Json:
    """A replica as JSON."""
    urls = {each.name: each.url for each in tools.settings.engines}
    return engine_seen(replica, urls[replica.name])


def known(tools: Tools, name: str) -> Replica:
    """The replica of this name; raises NotFound."""
    try:
        return tools.engine.replica(name)
    except KeyError:
        raise NotFound(f"there is no engine {name[:80]!r}", param="name") from None
