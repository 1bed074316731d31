"""The pocket engine's HTTP surface: vLLM's routes, bodies and status codes."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from gateway.engines.pocket import decode
from gateway.engines.pocket.answering import Answering, Prompts
from gateway.engines.pocket.batcher import Batcher
from gateway.engines.pocket.chat import Chat
from gateway.engines.pocket.errors import BadRequest, PocketError
from gateway.engines.pocket.job import Version
from gateway.engines.pocket.managing import Gate, add_managing
from gateway.engines.pocket.meter import Meter
from gateway.engines.pocket.schedule import Limits
from gateway.engines.pocket.text_completions import TextCompletions
from gateway.engines.pocket.tokenizer import Tokenizer
from gateway.engines.pocket.versions import Loader, Served, Versions
from gateway.engines.pocket.wire import (
    ChatBody,
    CompletionBody,
    LoadAdapter,
    TokenizeChat,
    TokenizeText,
    UnloadAdapter,
)


class Model(decode.Model, Prompts, Loader, Protocol):
    """All that the server needs of a model."""

    context: int

    @property
    def base(self) -> Version:
        """The version without an adapter."""
        ...


@dataclass(frozen=True, slots=True)
class Serving:
    """How one engine serves its model."""

    name: str = "pocket"
    root: str = ""
    limits: Limits = field(default_factory=Limits)
    max_lora_rank: int = 64
    seed: int | None = None
    dev_mode: bool = False  # whether it may be paused, and given other weights, by whoever reaches it


def create_app(model: Model, serving: Serving, version: str) -> FastAPI:
    """The server around a loaded model; its batcher runs for the life of the application."""
    meter = Meter(serving.name)
    batcher = Batcher(model, serving.limits, meter)
    base = Served(serving.name, model.base, serving.root or serving.name)
    versions = Versions(base, model, serving.max_lora_rank)
    answering = Answering(model, versions, batcher, serving.seed)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with batcher:
            yield

    app = FastAPI(title="Trimtab pocket engine", version=version, lifespan=life, strict_content_type=False)
    speak_openai_errors(app)
    gate = Gate()
    add_answers(app, Chat(model, answering), TextCompletions(model, answering), gate)
    if serving.dev_mode:
        add_managing(app, versions, batcher, gate)
    add_tokenizer(app, Tokenizer(model, versions, model.context))
    add_adapters(app, versions, model.context)
    add_condition(app, batcher, meter, version)
    return app


def add_answers(app: FastAPI, chat: Chat, texts: TextCompletions, gate: Gate) -> None:
    """Where text is generated."""

    @app.post("/v1/chat/completions")
    async def converse(body: ChatBody, request: Request) -> Response:
        await gate.passed()
        return await chat.answer(body, request)

    @app.post("/v1/completions")
    async def go_on(body: CompletionBody, request: Request) -> Response:
        await gate.passed()
        return await texts.answer(body, request)


def add_tokenizer(app: FastAPI, tokenizer: Tokenizer) -> None:
    """Where prompts are counted; as in vLLM, beside the versioned routes."""

    @app.post("/tokenize")
    async def tokenize(body: TokenizeText | TokenizeChat) -> dict[str, Any]:
        return await tokenizer.answer(body)


def add_adapters(app: FastAPI, versions: Versions, context: int) -> None:
    """What is served, and how it changes while requests are in flight."""

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_card(served, context) for served in versions.listed()]}

    @app.post("/v1/load_lora_adapter")
    async def load(body: LoadAdapter) -> PlainTextResponse:
        await versions.load(body.lora_name, body.lora_path, in_place=body.load_inplace)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")

    @app.post("/v1/unload_lora_adapter")
    async def unload(body: UnloadAdapter) -> PlainTextResponse:
        versions.unload(body.lora_name)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")


def _card(served: Served, context: int) -> dict[str, Any]:
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "trimtab",
        "root": served.root,
        "parent": served.parent,
        "max_model_len": context if served.parent is None else None,
    }


def add_condition(app: FastAPI, batcher: Batcher, meter: Meter, version: str) -> None:
    """How the engine is."""

    @app.get("/health")
    async def health() -> Response:
        return Response(status_code=200 if batcher.alive else 503)

    @app.get("/version")
    async def tell_version() -> dict[str, str]:
        return {"version": version}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(meter.text(), media_type="text/plain; version=0.0.4")


# pydantic also puts the types it tried into the place of an error: `str`, `list[Part]`; and `body` says nothing.
FIELD_OR_INDEX = re.compile(r"(?!(body|str)$)\w+")


def explained(faults: Sequence[Mapping[str, Any]]) -> BadRequest:
    """What is wrong with a body, naming the field; of a choice of types, the one whose value was nearly right."""
    fault = next((one for one in faults if not one["type"].endswith("_type")), faults[0])
    if fault["type"] == "json_invalid":
        return BadRequest("The body is not valid JSON.")
    place = [str(step) for step in fault["loc"] if FIELD_OR_INDEX.fullmatch(str(step))]
    if not place:
        return BadRequest("The body must be a JSON object, sent with content-type application/json.")
    return BadRequest(f"{'.'.join(place)}: {fault['msg']}", param=place[0])


def speak_openai_errors(app: FastAPI) -> None:
    """Every error leaves in OpenAI's envelope."""

    @app.exception_handler(PocketError)
    async def refused(_: Request, error: PocketError) -> JSONResponse:
        retry = {"retry-after": "1"} if error.status == 503 else None
        return JSONResponse(error.body(), error.status, retry)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse(explained(error.errors()).body(), 400)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        # Starlette logs it and raises it again once this is sent.
        return JSONResponse(PocketError(f"The engine failed: {type(error).__name__}.").body(), 500)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        told = PocketError(str(error.detail)).body()["error"]
        assert isinstance(told, dict)
        return JSONResponse(
            {"error": {**told, "type": "NotFoundError", "code": error.status_code}}, error.status_code
        )
