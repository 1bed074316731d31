"""Keys over HTTP: made, changed, rotated, revoked; a secret is shown in the answer that makes it and nowhere else."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.admin.access import Admin
from gateway.admin.views import Json, key_seen
from gateway.callers import Role
from gateway.policies.following import follow_named
from gateway.policies.store import PolicyStore
from gateway.tenants.keys import KeyStore
from gateway.tenants.terms import NO_TERMS, KeyBounds, KeyLimits, Terms
from gateway.tools import Tools

LONGEST_OVERLAP_SECONDS = 30 * 24 * 3600


def _iso(moment: Any) -> Any:
    """A time from its ISO form alone; a number would be taken for seconds, or for milliseconds where it is large."""
    if not isinstance(moment, str):
        raise ValueError("a time is told as ISO 8601, with its offset")  # noqa: TRY004 - what pydantic listens for
    return datetime.fromisoformat(moment)


Moment = Annotated[AwareDatetime, BeforeValidator(_iso)]


class NewTerms(BaseModel):
    """Terms of a key; what is not named stays as it is, and null takes a term away."""

    model_config = ConfigDict(extra="forbid")

    expires_at: Moment | None = None
    limits: KeyLimits | None = None
    bounds: KeyBounds | None = None
    policy: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    learn: bool | None = None

    def amend(self, terms: Terms) -> Terms:
        """The terms with those that were named."""
        named = self.model_fields_set & NewTerms.model_fields.keys()
        return replace(terms, **{name: getattr(self, name) for name in named})


class NewKey(NewTerms):
    """A key to make."""

    name: str = Field(min_length=1, max_length=200)
    role: Role = "application"


class Rotation(BaseModel):
    """For how long the old secret stays valid beside the new one."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: int = Field(0, ge=0, le=LONGEST_OVERLAP_SECONDS)


def keys_router(tools: Tools) -> APIRouter:
    """The routes; all need the role admin."""
    assert tools.ledger is not None
    router, database = APIRouter(), tools.ledger.database

    @router.get("/admin/keys")
    async def keys(caller: Admin) -> Json:
        return {"data": [key_seen(key) for key in await KeyStore(database, caller.id).all()]}

    @router.post("/admin/keys", status_code=201)
    async def create(new: NewKey, caller: Admin) -> Json:
        terms = new.amend(NO_TERMS)
        async with tools.changing:
            key, secret = await KeyStore(database, caller.id).create(new.name, new.role, terms)
            await follow_named(tools, PolicyStore(database))
        return key_seen(key) | {"key": secret}

    @router.patch("/admin/keys/{key_id}")
    async def change(key_id: str, new: NewTerms, caller: Admin) -> Json:
        async with tools.changing:
            key = await KeyStore(database, caller.id).change(key_id, new.amend)
            await follow_named(tools, PolicyStore(database))
        return key_seen(key)

    @router.post("/admin/keys/{key_id}/rotate")
    async def rotate(key_id: str, asked: Rotation, caller: Admin) -> Json:
        overlap = timedelta(seconds=asked.overlap_seconds)
        key, secret = await KeyStore(database, caller.id).rotate(key_id, overlap)
        return key_seen(key) | {"key": secret}

    @router.delete("/admin/keys/{key_id}")
    async def revoke(key_id: str, caller: Admin) -> Json:
        return key_seen(await KeyStore(database, caller.id).revoke(key_id))

    return router
