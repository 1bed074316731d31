"""Which of the kept guard policies stands where: restored for all requests, for one alias, or as a shadow."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import OperatorKey, Viewer
from gateway.admin.policies import Cause, checked, kept, policy_put, put_in_force
from gateway.admin.trail import Change
from gateway.admin.views import Json
from gateway.errors import BadRequest, NotFound
from gateway.policies.following import follow_named
from gateway.policies.shadow import compared
from gateway.policies.store import OF_ALIAS, SHADOW, PolicyStore
from gateway.tools import Tools
from guards.screen import Screen

Place = Annotated[str, Field(pattern=r"^(shadow|alias:.{1,200})$")]
CHANGED = (
    "lists or weights that this policy uses have changed since, so it cannot be put in force as it was; "
    "send its document again to use it as it would be now"
)


class Choice(BaseModel):
    """Which policy shall stand where, and why: for all requests where no place is named."""

    model_config = ConfigDict(extra="forbid")

    policy: Annotated[str, Field(min_length=1, max_length=64)]  # its number, name or hash
    place: Place | None = None
    cause: Cause


class Reason(BaseModel):
    """Why something is done."""

    model_config = ConfigDict(extra="forbid")

    cause: Cause


def policy_places_router(tools: Tools) -> APIRouter:
    """The routes; a change needs the role operator."""
    assert tools.ledger is not None
    router, store = APIRouter(), PolicyStore(tools.ledger.database)

    @router.post("/admin/policies/choose")
    async def choose(choice: Choice, caller: OperatorKey) -> Json:
        check_place(choice.place, tools)
        row = await kept(choice.policy, store)
        screen = await checked(row["effective"] or row["document"], tools)
        if screen.policy.hash != row["hash"]:
            raise BadRequest(CHANGED, param="policy", code="policy_changed")
        async with tools.changing:
            if choice.place is None:
                await put_in_force(screen, choice.cause, caller.id, tools, store)
            else:
                await put_at(choice.place, screen, choice.cause, caller.id, tools, store)
        return await policy_put(screen.policy)

    @router.post("/admin/policies/clear/{place}")
    async def clear(place: Place, reason: Reason, caller: OperatorKey) -> Json:
        async with tools.changing:
            before = (await store.places()).get(place)
            if before is None:
                raise NotFound(f"no policy stands at {place}", code="policy_not_found")
            await store.clear(place, Change("policy", place, {"hash": before}, {}, reason.cause), caller.id)
            await follow_named(tools, store)
        return {"place": place, "policy": None}

    @router.get("/admin/shadow")
    async def shadow(caller: Viewer) -> Json:
        digest = (await store.places()).get(SHADOW)
        return {"policy": digest, **(await compared(store.database, digest) if digest else {})}

    return router


def check_place(place: str | None, tools: Tools) -> None:
    """Refuses a place that no request would ever come to; raises NotFound."""
    alias = (place or "").removeprefix(OF_ALIAS)
    known = tools.router.current.aliases
    if place is not None and place != SHADOW and alias not in known:
        raise NotFound(
            f"no alias is called {alias[:64]!r}; there are {', '.join(sorted(known))}", param="place"
        )


async def put_at(
    place: str, screen: Screen, cause: str, actor: str, tools: Tools, store: PolicyStore
) -> None:
    """Let it stand at a place."""
    before = (await store.places()).get(place)
    change = Change("policy", place, {"hash": before} if before else {}, {"hash": screen.policy.hash}, cause)
    await store.put_at(place, screen.policy, tools.screens.configured.policy.hash, change, actor)
    await follow_named(tools, store)
