"""The data plane's ASGI app: a gate, the hot route behind it, and FastAPI for the rest."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway.api.feedback import feedback_router
from gateway.api.models import models_router
from gateway.api.openapi.document import openapi_router
from gateway.api.probes import probes_router
from gateway.api.responses.stored import responses_router
from gateway.api.surfaces import error_at
from gateway.errors import ApiError, BadRequest, NotFound
from gateway.gate import Gate, open_paths
from gateway.tools import Tools
from guards.wording import worded


def create_app(tools: Tools) -> Any:
    """The app of the public listener."""
    return Gate(public_routes(tools), tools)


def public_routes(tools: Tools) -> FastAPI:
    """The routes that need no more than FastAPI, behind the gate that says who calls."""
    app = FastAPI(title="Trimtab", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(models_router(tools))
    app.include_router(responses_router(tools))
    app.include_router(feedback_router(tools))
    app.include_router(probes_router(tools))
    app.include_router(openapi_router(app, "/openapi.json", open_paths(tools), asking=True))
    app.add_exception_handler(ApiError, _tell)
    app.add_exception_handler(RequestValidationError, _tell_query)
    app.add_exception_handler(HTTPException, _tell_route)
    app.add_exception_handler(Exception, tell_crash)
    return app


async def _tell(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status)


async def _tell_query(request: Request, error: Exception) -> JSONResponse:
    """A parameter of the wrong kind."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return await _tell(request, BadRequest(f"{first['loc'][-1]}: {worded(first)}", param=first["loc"][-1]))


async def _tell_route(request: Request, error: Exception) -> JSONResponse:
    """No such path, or not this method."""
    assert isinstance(error, HTTPException)
    asked = f"{request.method} {request.url.path[:200]}"
    missing = NotFound(f"there is no {asked} here", code="unknown_url")
    return JSONResponse(error_at(request.url.path, missing), error.status_code, headers=error.headers)


async def tell_crash(_: Request, __: Exception) -> JSONResponse:
    """What nobody foresaw; the gate, which gets the exception too, writes its type into the log."""
    told = ApiError("an internal error; the operator's log knows more", code="internal_error")
    return JSONResponse(told.body(), told.status)
