"""The reward server: `POST /v1/score`, `GET /v1/model`, `GET /health`, `GET /metrics`."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from rewardserve.batcher import Batcher
from rewardserve.body_limit import BodyLimit
from rewardserve.contract import Health, ModelInfo, ScoreRequest, ScoreResponse
from rewardserve.errors import BadInput, ScoringError, TryAgain
from rewardserve.metrics import Metrics
from rewardserve.scorer import Measured, Scorer
from rewardserve.scoring import ClientLeft, Scoring, unless_gone
from rewardserve.settings import RewardSettings

OUTCOMES = {429: "overloaded", 500: "failed", 503: "closed"}


def create_app(scorer: Scorer[Measured], settings: RewardSettings) -> FastAPI:
    """The application around a loaded model; its batcher lives as long as the server runs."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reward-text") as text_thread:
            async with Batcher(scorer.score, settings.limits, metrics.batch) as batcher:
                metrics.watch(lambda: batcher.depth, lambda: batcher.ailment is None)
                app.state.batcher = batcher
                app.state.scoring = Scoring(scorer, batcher, text_thread)
                yield

    app = FastAPI(title="Trimtab reward server", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.metrics = metrics
    app.state.card = scorer.card
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_exception_handler(ScoringError, told)
    app.add_exception_handler(ClientLeft, left)
    app.add_exception_handler(HTTPException, told_of_route)
    app.add_api_route(
        "/v1/score", score, methods=["POST"], openapi_extra=BODY, response_model_exclude_none=True
    )
    app.add_api_route("/v1/model", model, methods=["GET"])
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/metrics", prometheus, methods=["GET"])
    return app


# The body is parsed by pydantic straight from the bytes, so FastAPI has to be told of its schema.
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ScoreRequest.model_json_schema()}},
    }
}


async def score(request: Request) -> ScoreResponse:
    """Score every candidate of every conversation; nothing is truncated."""
    ask = parsed(await request.body())
    answer: ScoreResponse = await unless_gone(request, request.app.state.scoring.answer(ask))
    request.app.state.metrics.answered([reward for rewards in answer.rewards for reward in rewards])
    return answer


def parsed(body: bytes) -> ScoreRequest:
    """The request, or BadInput naming the first field that is wrong."""
    try:
        return ScoreRequest.model_validate_json(body)
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
    return ModelInfo(**asdict(request.app.state.card))


async def health(request: Request, response: Response) -> Health:
    """Whether scoring is possible: red once the batcher has died, or while the model only fails."""
    reason: str | None = request.app.state.batcher.ailment
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
