"""GET /v1/models: the aliases and embedding models that a key may ask for, and versions for those who may see them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from gateway.callers import MAY_SEE_VERSIONS, Caller
from gateway.errors import no_such_model
from gateway.tools import Tools


def models_router(tools: Tools) -> APIRouter:
    """The routes under /v1/models."""
    router = APIRouter()

    @router.get("/v1/models")
    async def listed(caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        return {"object": "list", "data": models_for(caller, tools)}

    @router.get("/v1/models/{name:path}")
    async def one(name: str, caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        for model in models_for(caller, tools):
            if model["id"] == name:
                return model
        raise no_such_model(name)

    return router


def caller_of(request: Request) -> Caller:
    """Whom the gate let in."""
    caller: Caller = request.scope["caller"]
    return caller


def models_for(caller: Caller, tools: Tools) -> list[dict[str, Any]]:
    """The models that a caller may know of, in OpenAI's shape, each once."""
    routes, embedder = tools.router.current, tools.embedder
    known = [*routes.aliases, *(embedder.models if embedder else ())]
    if caller.role in MAY_SEE_VERSIONS:
        known += routes.models
    return [_model(name) for name in dict.fromkeys(known)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "trimtab"}
