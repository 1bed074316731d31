"""Other weights for the base model while the engine runs: vLLM's routes for it, of its development mode.

Paused, it finishes what it answers and lets whoever asks wait. It keeps nothing computed between requests, so that
there is no prefix cache to reset; and it reads new weights before it lets the old ones go, which vLLM does not.
"""

import asyncio
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from gateway.engines.pocket.batcher import Batcher
from gateway.engines.pocket.errors import BadRequest, PocketError
from gateway.engines.pocket.versions import Versions
from gateway.engines.pocket.wire import CollectiveCall, NewWeightVersion

AS_STARTED = "default"


class Gate:
    """Whether requests may begin."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def shut(self) -> bool:
        """Whether they wait."""
        return not self._open.is_set()

    def shut_it(self) -> None:
        """Let nobody begin."""
        self._open.clear()

    def open_it(self) -> None:
        """Let those who wait begin, and everybody after them."""
        self._open.set()

    async def passed(self) -> None:
        """Return once requests may begin."""
        await self._open.wait()


def add_managing(app: FastAPI, versions: Versions, batcher: Batcher, gate: Gate) -> None:
    """Where weights are replaced."""
    named = {"weight_version": AS_STARTED}
    add_pausing(app, batcher, gate)

    @app.post("/collective_rpc")
    async def call(body: CollectiveCall) -> dict[str, Any]:
        path = body.kwargs.get("weights_path")
        if body.method != "reload_weights":
            raise PocketError(f"The worker has no method {body.method!r}.")
        if not isinstance(path, str) or not path:
            raise BadRequest("kwargs.weights_path must be a directory.", param="kwargs")
        await versions.reload(path)
        return {"results": [None]}

    @app.post("/reset_prefix_cache")
    async def reset() -> dict[str, bool]:
        return {"success": True}

    @app.post("/update_weight_version")
    async def name(body: NewWeightVersion) -> dict[str, Any]:
        named["weight_version"] = body.new_version
        return {"success": True, "new_version": body.new_version}

    @app.get("/weight_info")
    async def tell() -> dict[str, str]:
        return named


def add_pausing(app: FastAPI, batcher: Batcher, gate: Gate) -> None:
    """Where answering is interrupted."""

    @app.post("/pause")
    async def pause(mode: Literal["abort", "wait", "keep"] = "abort") -> JSONResponse:
        if mode != "wait":
            return JSONResponse({"error": f"mode {mode!r} is not supported here; wait is"}, 400)
        gate.shut_it()
        await batcher.quiet()
        return JSONResponse({"status": "paused"})

    @app.post("/resume")
    async def resume() -> dict[str, str]:
        gate.open_it()
        return {"status": "resumed"}

    @app.get("/is_paused")
    async def paused() -> dict[str, bool]:
        return {"is_paused": gate.shut}
