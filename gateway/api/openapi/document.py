"""One OpenAPI document: what FastAPI knows of its routes, what is written of the others, and how all of them fail."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from fastapi import APIRouter, FastAPI

Json = dict[str, Any]
ASKING = Path(__file__).with_name("asking.yaml")
ERROR: Json = {"$ref": "#/components/responses/Error"}
# An error is the client's, or an engine's, or of something that must not be skipped; a 500 would be a bug of ours.
FAILURES = ("4XX", "502", "503", "504")


def openapi_router(app: FastAPI, path: str, open_paths: Collection[str], *, asking: bool) -> APIRouter:
    """The route that tells an app's other routes; `asking` adds those that are plain ASGI."""
    router = APIRouter()

    @router.get(path, include_in_schema=False)
    async def document() -> Json:
        return document_of(app, open_paths, asking=asking)

    return router


def document_of(app: FastAPI, open_paths: Collection[str], *, asking: bool) -> Json:
    """The document; every operation needs a key but those at open paths."""
    written, found = read_asking(), app.openapi()
    paths = {**found["paths"], **(written["paths"] if asking else {})}
    components = dict(written["components"])
    schemas = components["schemas"] if asking else {"Error": components["schemas"]["Error"]}
    components["schemas"] = {**found.get("components", {}).get("schemas", {}), **schemas}
    told = {
        path: _operations(operations, needs_key=path not in open_paths) for path, operations in paths.items()
    }
    if not asking:
        components["responses"] = {"Error": components["responses"]["Error"]}
    return {**found, "paths": told, "components": components}


@cache
def read_asking() -> Json:
    """What is written of the routes that ask."""
    document: Json = yaml.safe_load(ASKING.read_text())
    return document


def _operations(operations: Json, *, needs_key: bool) -> Json:
    return {method: _operation(operation, needs_key=needs_key) for method, operation in operations.items()}


def _operation(operation: Json, *, needs_key: bool) -> Json:
    """FastAPI would answer what is malformed with a 422 of its own; here it is a 400 like any other."""
    responses = {status: told for status, told in operation["responses"].items() if status != "422"}
    responses |= {status: ERROR for status in FAILURES if status not in responses}
    keys: list[Json] = [{"bearer": []}, {"x-api-key": []}] if needs_key else []
    return {**operation, "responses": responses, "security": keys}
