"""The reward server: `POST /v1/score`, `GET /v1/model`, `POST /admin/reload`, `GET /health`, `GET /metrics`."""

import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, SecretStr, ValidationError
from starlette.exceptions import HTTPException

from rewardserve.body_limit import BodyLimit
from rewardserve.contract import Health, ModelInfo, ReloadRequest, ScoreRequest, ScoreResponse
from rewardserve.errors import AdminRefused, BadInput, ReloadRefused, ScoringError, TryAgain
from rewardserve.front import Front, Load
from rewardserve.loading import load_workers
from rewardserve.metrics import Metrics
from rewardserve.scorer import Measured, ModelCard, Scorer
from rewardserve.scoring import ClientLeft, unless_gone
from rewardserve.settings import RewardSettings

OUTCOMES = {429: "overloaded", 500: "failed", 503: "closed", 504: "late"}


def create_app(
    scorer: Scorer[Measured],
    settings: RewardSettings,
    *,
    others: Sequence[Scorer[Measured]] = (),
    load: Load = load_workers,
) -> FastAPI:
    """The application around a loaded model, `others` being the same for further workers.

    `load` makes the model that a reload asks for.
    """
    metrics = Metrics()
    front = Front([scorer, *others], settings, metrics, load)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with front:
            yield

    app = FastAPI(title="Trimtab reward server", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.metrics = metrics
    app.state.front = front
    app.state.admin_key = settings.admin_key
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_exception_handler(ScoringError, told)
    app.add_exception_handler(ClientLeft, left)
    app.add_exception_handler(HTTPException, told_of_route)
    add_routes(app)
    return app


def add_routes(app: FastAPI) -> None:
    """Everything that can be asked."""
    score_body, reload_body = schema_of(ScoreRequest), schema_of(ReloadRequest)
    app.add_api_route(
        "/v1/score", score, methods=["POST"], openapi_extra=score_body, response_model_exclude_none=True
    )
    app.add_api_route("/v1/model", model, methods=["GET"])
    app.add_api_route("/admin/reload", reload, methods=["POST"], openapi_extra=reload_body)
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/metrics", prometheus, methods=["GET"])


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """What FastAPI has to be told of a body that is parsed by pydantic straight from the bytes."""
    content = {"application/json": {"schema": kind.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


async def score(request: Request) -> ScoreResponse:
    """Score every candidate of every conversation; nothing is truncated."""
    ask = parsed(ScoreRequest, await request.body())
    answer: ScoreResponse = await unless_gone(request, request.app.state.front.answer(ask))
    request.app.state.metrics.answered([reward for rewards in answer.rewards for reward in rewards])
    return answer


async def reload(request: Request) -> ModelInfo:
    """Serve another model from now on; needs the admin key."""
    refuse_stranger(request)
    reloads = request.app.state.metrics.reloads
    try:
        card: ModelCard = await request.app.state.front.reload(
            parsed(ReloadRequest, await request.body()).model
        )
    except ReloadRefused:
        reloads.labels("refused").inc()
        raise
    reloads.labels("ok").inc()
    return ModelInfo(**asdict(card))


def refuse_stranger(request: Request) -> None:
    """Raise unless the request bears the admin key."""
    key: SecretStr | None = request.app.state.admin_key
    if key is None:
        raise AdminRefused(
            "this server has no admin key: set TRIMTAB_REWARDSERVE_ADMIN_KEY and start it again"
        )
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), key.get_secret_value().encode()):
        raise AdminRefused("the admin key is missing or wrong: authorization: Bearer …")


BodyT = TypeVar("BodyT", bound=BaseModel)


def parsed(kind: type[BodyT], body: bytes) -> BodyT:
    """The request, or BadInput naming the first field that is wrong."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = field_name(first["loc"])
        raise BadInput(f"{field or 'body'}: {first['msg']}", param=field or None) from error


def field_name(place: tuple[int | str, ...]) -> str:
    """A pydantic location as a client would write it: conversations[0].candidates[2]."""
    fields = [part for part in place if isinstance(part, int) or part not in {"str", "list[dict[str,any]]"}]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fields).lstrip(".")


async def model(request: Request) -> ModelInfo:
    """What is loaded."""
    return ModelInfo(**asdict(request.app.state.front.served.card))


async def health(request: Request, response: Response) -> Health:
    """Whether scoring is possible: red once the batcher has died, or while the model only fails."""
    reason: str | None = request.app.state.front.served.batcher.ailment
    response.status_code = 503 if reason else 200
    return Health(status="unhealthy" if reason else "ok", reason=reason)


async def prometheus(request: Request) -> Response:
    """Metrics, for Prometheus."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def told(request: Request, error: Exception) -> JSONResponse:
    """A ScoringError in OpenAI's shape, counted."""
    assert isinstance(error, ScoringError)
    request.app.state.metrics.requests.labels(OUTCOMES.get(error.status, "refused")).inc()
    headers = {"retry-after": str(error.retry_after_seconds)} if isinstance(error, TryAgain) else None
    return JSONResponse(error.body(), error.status, headers)


async def told_of_route(request: Request, error: Exception) -> JSONResponse:
    """An unknown path or method, in the same shape."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
    return JSONResponse(body, error.status_code, error.headers)


async def left(request: Request, _error: Exception) -> Response:
    """Nobody reads this answer; it ends the exchange, and is counted."""
    request.app.state.metrics.requests.labels("left").inc()
    return Response(status_code=499)
