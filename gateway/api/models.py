"""GET /v1/models: the aliases that a key may ask for, and the versions for those who may see them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from gateway.callers import MAY_SEE_VERSIONS, Caller
from gateway.errors import NotFound
from gateway.routing import Routes
from gateway.tools import Tools


def models_router(tools: Tools) -> APIRouter:
    """The routes under /v1/models."""
    router = APIRouter()

    @router.get("/v1/models")
    async def listed(caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        return {"object": "list", "data": models_for(caller, tools.router.current)}

    @router.get("/v1/models/{name:path}")
    async def one(name: str, caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        for model in models_for(caller, tools.router.current):
            if model["id"] == name:
                return model
        raise NotFound(f"there is no model {name[:200]!r}", param="model", code="model_not_found")

    return router


def caller_of(request: Request) -> Caller:
    """Whom the gate let in."""
    caller: Caller = request.scope["caller"]
    return caller


def models_for(caller: Caller, routes: Routes) -> list[dict[str, Any]]:
    """The models that a caller may know of, in OpenAI's shape."""
    known = [_model(alias) for alias in routes.aliases]
    if caller.role in MAY_SEE_VERSIONS:
        known += [_model(version) for version in routes.models if version not in routes.aliases]
    return known


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "trimtab"}
