"""What the gateway is measured against: the pass-through that most people write, FastAPI and httpx.

    python -m tests.bench.passthrough PORT UPSTREAM_URL

It authenticates nobody, checks nothing and remembers nothing.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse


def create_app(upstream: str) -> FastAPI:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(timeout=60, limits=limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        raw = await request.body()
        headers = {"content-type": "application/json"}
        asked = client.build_request("POST", f"{upstream}/chat/completions", content=raw, headers=headers)
        if not json.loads(raw).get("stream"):
            answer = await client.send(asked)
            return Response(answer.content, answer.status_code, media_type="application/json")
        streamed = await client.send(asked, stream=True)

        async def relay() -> AsyncIterator[bytes]:
            async for piece in streamed.aiter_raw():
                yield piece
            await streamed.aclose()

        return StreamingResponse(relay(), streamed.status_code, media_type="text/event-stream")

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(sys.argv[2]), port=int(sys.argv[1]), log_level="warning", access_log=False)
