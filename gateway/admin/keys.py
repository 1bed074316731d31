"""Keys, made and revoked over HTTP; a secret is shown in the answer that makes it and nowhere else."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.access import Admin
from gateway.admin.views import Json, key_seen
from gateway.callers import Role
from gateway.tenants.keys import KeyStore
from gateway.tools import Tools


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    role: Role = "application"


def keys_router(tools: Tools) -> APIRouter:
    """The routes; all need the role admin."""
    assert tools.ledger is not None
    router, database = APIRouter(), tools.ledger.database

    @router.get("/admin/keys")
    async def keys(caller: Admin) -> Json:
        return {"data": [key_seen(key) for key in await KeyStore(database, caller.id).all()]}

    @router.post("/admin/keys", status_code=201)
    async def create(new: NewKey, caller: Admin) -> Json:
        key, secret = await KeyStore(database, caller.id).create(new.name, new.role)
        return key_seen(key) | {"key": secret}

    @router.delete("/admin/keys/{key_id}")
    async def revoke(key_id: str, caller: Admin) -> Json:
        return key_seen(await KeyStore(database, caller.id).revoke(key_id))

    return router
