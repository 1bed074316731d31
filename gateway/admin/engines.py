"""The engines over HTTP: how each fares, and taking one out for its maintenance."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.admin.access import Admin, Viewer
from gateway.admin.drains import KIND, put, refuse_lent
from gateway.admin.lending import Loan, Return, lend, take_back
from gateway.admin.trail import Change
from gateway.admin.views import Json, engine_seen
from gateway.engines.replica import Replica
from gateway.errors import NotFound
from gateway.tools import Tools

Id = Annotated[str, Field(min_length=1, max_length=200)]


class Why(BaseModel):
    """Why an engine takes requests again."""

    model_config = ConfigDict(extra="forbid")

    cause: str = Field(min_length=1, max_length=500)


class Drain(Why):
    """Why an engine is taken out, and how long to wait for its requests in flight."""

    timeout_seconds: float = Field(30.0, ge=0, le=600)


class Lending(BaseModel):
    """To which retraining an engine's GPU goes while that trains; level 1 keeps weights in the host's memory.

    A worker names itself: what it asks counts while it holds the retraining (gateway/admin/fence.py).
    """

    model_config = ConfigDict(extra="forbid")

    retraining: Id
    worker: Id | None = None
    level: Literal[1] = 1
    allow_empty: bool = False
    timeout_seconds: float = Field(120.0, gt=0, le=600)


class Returning(Why):
    """Why a lent engine is woken, and on which retraining's behalf; an operator's may leave that out."""

    retraining: Id | None = None
    worker: Id | None = None

    @model_validator(mode="after")
    def _worker_of_something(self) -> Self:
        if self.worker is not None and self.retraining is None:
            raise ValueError("worker: needs the retraining that it holds")
        return self


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
        await put(tools, database, change, caller.id, rule=refuse_lent)
        idle = await replica.idle(how.timeout_seconds)
        return {**seen(tools, replica), "idle": idle}

    @router.post("/admin/engines/{name}/resume")
    async def resume(name: str, why: Why, caller: Admin) -> Json:
        replica = known(tools, name)
        change = Change(KIND, name, {"draining": True}, {"draining": False}, why.cause)
        await put(tools, database, change, caller.id, rule=refuse_lent)
        return seen(tools, replica)

    @router.post("/admin/engines/{name}/lend")
    async def lend_engine(name: str, to: Lending, caller: Admin) -> Json:
        replica = known(tools, name)
        loan = Loan(to.retraining, to.level, to.allow_empty, to.timeout_seconds, to.worker)
        await lend(tools, database, replica, loan, caller.id)
        return seen(tools, replica)

    @router.post("/admin/engines/{name}/return")
    async def return_engine(name: str, why: Returning, caller: Admin) -> Json:
        replica = known(tools, name)
        back = Return(why.cause, caller.id, why.retraining, why.worker)
        await take_back(tools, database, replica, back)
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
