"""GET /health and GET /metrics: for orchestrators and Prometheus."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from gateway.tools import Tools

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def probes_router(tools: Tools) -> APIRouter:
    """The routes that tell how the gateway is."""
    router = APIRouter()

    @router.get("/health")
    async def health(response: Response, *, ready: bool = False) -> dict[str, object]:
        """200 while this process does its part, whatever engines do; 503 when one of its tasks has died.

        For whoever asks whether it is `ready`, also while files of versions lack that aliases lead to.
        """
        dead, lacking = tools.dead(), bool(tools.lacking())
        response.status_code = 503 if dead or (ready and lacking) else 200
        engine = await tools.engine.healthy()
        return {
            "status": "broken" if dead else "ok" if engine and not lacking else "degraded",
            "engine": engine,
            "dead": dead,
        }

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(tools.metrics.text(), media_type=PROMETHEUS)

    return router
