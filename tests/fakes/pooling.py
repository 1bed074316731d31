"""vLLM's pooling server as far as rewards need it: `/classify` with its sigmoid by default, `/v1/models`."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse


@dataclass
class FakePooling:
    """Scores token ids by a rule; `status` and `seconds` make it refuse or dawdle."""

    rule: Callable[[Sequence[int]], Sequence[float]]  # ids to logits
    models: Sequence[str] = ("rm",)
    max_model_len: int = 512
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    status: int = 200
    seconds: float = 0.0
    answer: Any = None  # given instead of the true one

    @property
    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/v1/models", self.listed, methods=["GET"])
        app.add_api_route("/classify", self.classify, methods=["POST"])
        return app

    async def listed(self) -> dict[str, Any]:
        return {"data": [{"id": name, "max_model_len": self.max_model_len} for name in self.models]}

    async def classify(self, request: Request) -> JSONResponse:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("authorization"))
        await asyncio.sleep(self.seconds)
        if self.status != 200:
            return JSONResponse({"error": {"message": "not now", "type": "x"}}, self.status)
        if self.answer is not None:
            return JSONResponse(self.answer)
        raw = body.get("use_activation") is False
        rows = [self.row(place, ids, raw=raw) for place, ids in enumerate(body["input"])]
        return JSONResponse({"data": rows[::-1]})  # each says where it belongs

    def row(self, place: int, ids: Sequence[int], *, raw: bool) -> dict[str, Any]:
        logits = self.rule(ids)
        probs = list(logits) if raw else [1 / (1 + math.exp(-logit)) for logit in logits]
        return {"index": place, "label": "LABEL_0", "probs": probs, "num_classes": len(probs)}
