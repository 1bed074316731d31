"""The guard policies: shown, kept, put in force, restored, put at places; a bad one changes nothing.

A replacement outlives a restart, until the configured policy that it stands in for is itself changed.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import OperatorKey, Viewer
from gateway.admin.trail import Change
from gateway.admin.views import Json
from gateway.errors import BadRequest, NotFound
from gateway.policies.following import screen_of
from gateway.policies.store import PolicyStore
from gateway.tools import Tools
from guards.policy.load import GuardPolicy
from guards.screen import Screen
from guards.services import missing
from guards.verdict import PolicyRefused

Cause = Annotated[str, Field(min_length=1, max_length=500)]


class NewPolicy(BaseModel):
    """A policy document as YAML text, and why it should be in force."""

    model_config = ConfigDict(extra="forbid")

    document: str = Field(min_length=1, max_length=1_000_000)
    cause: Cause


def policies_router(tools: Tools) -> APIRouter:
    """The routes; a change needs the role operator."""
    assert tools.ledger is not None
    router, store = APIRouter(), PolicyStore(tools.ledger.database)

    @router.get("/admin/policy")
    async def policy(caller: Viewer) -> Json:
        return policy_seen(tools.screens.current.policy)

    @router.post("/admin/policy")
    async def replace(new: NewPolicy, caller: OperatorKey) -> Json:
        screen = await checked(new.document, tools)
        async with tools.changing:
            await put_in_force(screen, new.cause, caller.id, tools, store)
        return await policy_put(screen.policy)

    @router.get("/admin/policies")
    async def policies(caller: Viewer) -> Json:
        return {"data": await store.listed(), "configured": tools.screens.configured.policy.hash}

    @router.post("/admin/policies", status_code=201)
    async def add(new: NewPolicy, caller: OperatorKey) -> Json:
        found = (await checked(new.document, tools)).policy
        change = Change("policy", found.name, {}, {"kept": found.hash}, new.cause)
        await store.keep(found, tools.screens.configured.policy.hash, change, caller.id)
        return policy_seen(found)

    @router.get("/admin/policies/{policy}")
    async def one(policy: str, caller: Viewer) -> Json:
        return await kept(policy, store)

    return router


async def checked(document: str, tools: Tools) -> Screen:
    """The screen of a policy that came in; raises BadRequest."""
    try:
        return await screen_of(document, tools)
    except PolicyRefused as error:
        raise BadRequest(f"document: {error}", param="document", code="policy_refused") from None


async def kept(reference: str, store: PolicyStore) -> Json:
    """A policy of the ledger by number, name or hash; raises NotFound."""
    found = await store.find(reference)
    if found is None:
        told = f"no policy is known as {reference[:64]!r}; `trimtab policy list` shows numbers, names, hashes"
        raise NotFound(told, code="policy_not_found")
    return found


async def put_in_force(screen: Screen, cause: str, actor: str, tools: Tools, store: PolicyStore) -> None:
    """Make it the policy of all requests that have none of their own."""
    before, after = {"hash": tools.screens.current.policy.hash}, {"hash": screen.policy.hash}
    change = Change("policy", screen.policy.name, before, after, cause)
    await store.put_in_force(screen.policy, tools.screens.configured.policy.hash, change, actor)
    tools.screens.publish(screen)


async def policy_put(policy: GuardPolicy) -> Json:
    """A policy that has just been put somewhere, and what its operator should look after: services that are away."""
    return {**policy_seen(policy), "warnings": await missing(policy.asks)}


def policy_seen(policy: GuardPolicy) -> Json:
    """A policy as JSON."""
    document = policy.document.model_dump(mode="json", by_alias=True)
    return {"name": policy.name, "version": policy.version, "hash": policy.hash, "document": document}
