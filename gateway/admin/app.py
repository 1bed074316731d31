"""The operator's app: FastAPI on a listener of its own, every route but /metrics behind a key and a role."""

import logging
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from gateway.admin.access import Viewer, at_least
from gateway.admin.audit import audit_router
from gateway.admin.engines import engines_router
from gateway.admin.erasures import erasures_router
from gateway.admin.feedback import feedback_router
from gateway.admin.gate import OPEN, AdminGate
from gateway.admin.keys import keys_router
from gateway.admin.looking import looking_router
from gateway.admin.policies import policies_router
from gateway.admin.policy_places import policy_places_router
from gateway.admin.swapping import rollouts_router, versions_router
from gateway.api.openapi.document import openapi_router
from gateway.api.probes import PROMETHEUS
from gateway.app import tell_crash
from gateway.errors import ApiError, BadRequest, Conflict, NotFound, Unavailable
from gateway.failures import upstream_status
from gateway.ledger.contract import LedgerConflict, LedgerFailed, NotInLedger
from gateway.tools import Tools
from guards.wording import worded
from rewardserve.client import RewardClient

READING = frozenset({"GET", "HEAD", "OPTIONS"})
log = logging.getLogger("trimtab.changes")


def create_admin(tools: Tools) -> Any:
    """The app of the operator's listener; it needs the whole ledger, not only a recorder."""
    return AdminGate(admin_routes(tools), tools)


def admin_routes(tools: Tools) -> FastAPI:
    """The routes, behind the gate that says who calls."""
    app = FastAPI(
        title="Trimtab admin", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    for router in ROUTERS:
        app.include_router(router(tools), dependencies=[Depends(at_least("viewer"))])
    app.include_router(metrics_router(tools))
    document = openapi_router(app, "/admin/openapi.json", {OPEN}, asking=False)
    app.include_router(document, dependencies=[Depends(at_least("viewer"))])
    app.add_exception_handler(ApiError, _tell)
    app.add_exception_handler(LedgerFailed, _tell_ledger)
    app.add_exception_handler(RequestValidationError, _tell_validation)
    app.add_exception_handler(HTTPException, _tell_route)
    app.add_exception_handler(Exception, tell_crash)
    return app


def status_router(tools: Tools) -> APIRouter:
    """How every part is."""
    router = APIRouter()

    @router.get("/admin/health")
    async def health(caller: Viewer, response: Response) -> dict[str, object]:
        """503 when a part that must not fail has failed; engines, reward server and files that lack only degrade."""
        ledger = tools.ledger.health if tools.ledger else None
        broken = bool(tools.dead()) or (ledger is not None and not ledger.healthy)
        reward = await reward_health(tools)
        lacking = tools.lacking()
        degraded = reward is False or bool(lacking) or not await tools.engine.healthy()
        response.status_code = 503 if broken else 200
        return {
            "status": "broken" if broken else "degraded" if degraded else "ok",
            "engines": tools.engine.status(),
            "reward": reward,
            "ledger": None if ledger is None else {name: getattr(ledger, name) for name in ledger.__slots__},
            "dead": tools.dead(),
            "lacking": lacking,
            "policy": tools.screens.current.policy.hash,
        }

    return router


async def reward_health(tools: Tools) -> bool | None:
    """Whether the reward server can serve; None where there is none."""
    return await tools.rewards.healthy() if isinstance(tools.rewards, RewardClient) else None


def metrics_router(tools: Tools) -> APIRouter:
    """The metrics, for whoever reaches this listener: no text of people, and Prometheus needs no key."""
    router = APIRouter()

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(tools.metrics.text(), media_type=PROMETHEUS)

    return router


ROUTERS = (
    versions_router,
    rollouts_router,
    looking_router,
    audit_router,
    keys_router,
    policies_router,
    policy_places_router,
    engines_router,
    feedback_router,
    erasures_router,
    status_router,
)


async def _tell(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    if request.method not in READING:
        log.warning("a change was refused", extra={"fields": refusal_of(request, error)})
    return JSONResponse(error.body(), error.status)


def refusal_of(request: Request, error: ApiError) -> dict[str, object]:
    """Which change was refused, to whom and why: no text of the request, but for the version's name."""
    return {
        "route": getattr(request.scope.get("route"), "path", None),
        "version": request.path_params.get("version", "")[:80] or None,
        "key": request.scope["caller"].id,
        "status": error.status,
        "error": error.code or error.param or error.type,
        "upstream_status": upstream_status(error),
    }


async def _tell_ledger(request: Request, error: Exception) -> JSONResponse:
    kinds: dict[type[Exception], type[ApiError]] = {NotInLedger: NotFound, LedgerConflict: Conflict}
    return await _tell(request, kinds.get(type(error), Unavailable)(str(error), code="ledger"))


async def _tell_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = dict(error.errors()[0])
    first["loc"] = first["loc"][1:]  # the first step says whether it is about the body, the query or the path
    field = ".".join(map(str, first["loc"])) if first["type"] != "json_invalid" else ""  # else a byte's place
    asked = getattr(request.scope.get("route"), "body_field", None)
    model = asked.field_info.annotation if asked else None
    return await _tell(request, BadRequest(f"{field or 'body'}: {worded(first, model)}", param=field or None))


async def _tell_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == BadRequest.status:  # nothing but a body that FastAPI could not parse
        return await _tell(request, BadRequest("the body cannot be read as JSON"))
    missing = NotFound(f"there is no {request.method} {request.url.path[:200]} here", code="unknown_url")
    return JSONResponse(missing.body(), error.status_code, headers=error.headers)
