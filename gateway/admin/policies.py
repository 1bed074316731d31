"""The guard policies: the one in force, shown and replaced, and others that keys may name; a bad one changes nothing.

A replacement outlives a restart, until the configured policy that it stands in for is itself changed.
"""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, insert, select, update

from gateway.admin.access import OperatorKey, Viewer
from gateway.admin.trail import Change, note
from gateway.admin.views import Json
from gateway.errors import BadRequest
from gateway.ledger.database import Database
from gateway.ledger.tables import PolicyRow
from gateway.screens import accepted
from gateway.tools import Tools
from guards.policy.load import GuardPolicy, read_replacement
from guards.screen import Screen
from guards.verdict import PolicyRefused


class NewPolicy(BaseModel):
    """A policy document as YAML text, and why it should be in force."""

    model_config = ConfigDict(extra="forbid")

    document: str = Field(min_length=1, max_length=1_000_000)
    cause: str = Field(min_length=1, max_length=500)


def policies_router(tools: Tools) -> APIRouter:
    """The routes; a replacement needs the role operator."""
    assert tools.ledger is not None
    router, database = APIRouter(), tools.ledger.database

    @router.get("/admin/policy")
    async def policy(caller: Viewer) -> Json:
        return policy_seen(tools.screens.current.policy)

    @router.post("/admin/policy")
    async def replace(new: NewPolicy, caller: OperatorKey) -> Json:
        screen = await checked(new, tools)
        async with tools.changing:
            before, after = {"hash": tools.screens.current.policy.hash}, {"hash": screen.policy.hash}
            change = Change("policy", screen.policy.name, before, after, new.cause)
            await keep(database, row_of(screen, new, tools), change, caller.id)
            tools.screens.publish(screen)
        return policy_seen(screen.policy)

    @router.get("/admin/policies")
    async def policies(caller: Viewer) -> Json:
        return {"data": await kept(database)}

    @router.post("/admin/policies", status_code=201)
    async def add(new: NewPolicy, caller: OperatorKey) -> Json:
        screen = await checked(new, tools)
        change = Change("policy", screen.policy.name, {}, {"kept": screen.policy.hash}, new.cause)
        await add_beside(database, row_of(screen, new, tools), change, caller.id)
        return policy_seen(screen.policy)

    return router


async def checked(new: NewPolicy, tools: Tools) -> Screen:
    """The screen of a policy that came in; raises BadRequest."""
    try:
        return await screen_of(new.document, tools)
    except PolicyRefused as error:
        raise BadRequest(f"document: {error}", param="document", code="policy_refused") from None


def row_of(screen: Screen, new: NewPolicy, tools: Tools) -> Json:
    """A policy as the ledger keeps it."""
    return {
        "digest": screen.policy.hash,
        "name": screen.policy.name,
        "document": new.document,
        "replaced": tools.screens.configured.hash,
    }


async def screen_of(document: str, tools: Tools) -> Screen:
    """The screen of a policy's text, which may name files beside the configured policy; raises PolicyRefused."""
    configured = tools.settings.guards.policy
    return await accepted(await asyncio.to_thread(read_replacement, document, "policy", configured))


def policy_seen(policy: GuardPolicy) -> Json:
    """A policy as JSON."""
    document = policy.document.model_dump(mode="json", by_alias=True)
    return {"name": policy.name, "version": policy.version, "hash": policy.hash, "document": document}


async def keep(database: Database, row: Json, change: Change, actor: str) -> None:
    """Make a replacement the only active one, and write down who wanted it and why."""
    async with database.write() as connection:
        await connection.execute(update(PolicyRow).values(active=False))
        await connection.execute(delete(PolicyRow).where(PolicyRow.digest == row["digest"]))
        await connection.execute(insert(PolicyRow).values(**row, active=True, created_at=datetime.now(UTC)))
        await note(connection, change, actor)


async def add_beside(database: Database, row: Json, change: Change, actor: str) -> None:
    """Keep a policy for keys that name it; one that is kept already stays as it is, in force or not."""
    async with database.write() as connection:
        known = select(PolicyRow.digest).where(PolicyRow.digest == row["digest"])
        if (await connection.execute(known)).first() is None:
            now = datetime.now(UTC)
            await connection.execute(insert(PolicyRow).values(**row, active=False, created_at=now))
            await note(connection, change, actor)


async def kept(database: Database) -> list[Json]:
    """The policies that the ledger knows, the newest first, without their documents."""
    shown = (PolicyRow.digest.label("hash"), PolicyRow.name, PolicyRow.active, PolicyRow.created_at)
    async with database.read() as connection:
        rows = await connection.execute(select(*shown).order_by(PolicyRow.created_at.desc()))
        return [dict(row) for row in rows.mappings()]


async def follow_policy(tools: Tools, database: Database) -> None:
    """Put the ledger's replacement for the configured policy in force, where there is one."""
    async with database.read() as connection:
        active = (PolicyRow.active, PolicyRow.replaced == tools.screens.configured.hash)
        row = (await connection.execute(select(PolicyRow.digest, PolicyRow.document).where(*active))).first()
    if row is None or row.digest == tools.screens.current.policy.hash:
        return
    try:
        tools.screens.publish(await screen_of(row.document, tools))
    except PolicyRefused as error:
        told = "the policy that was put in force through the admin API no longer passes; any change of the"
        raise PolicyRefused(f"{told} configured policy replaces it: {error}") from error
