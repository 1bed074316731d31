"""An engine whose model judges by a rule, telling its log-probabilities as OpenAI's dialect has them."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

# What is between the tags of an answer, in the order in which the judge reads them.
ANSWERS = re.compile(r"<(answer(?:_[ab])?)>\n(.*?)\n</\1>", re.DOTALL)
Likeliest = Mapping[str, float]  # tokens and their probabilities


@dataclass
class FakeJudge:
    """`rule` is given the answers that are judged, and gives each token's likeliest words with probabilities."""

    rule: Callable[[list[str]], list[Likeliest]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    silent: bool = False  # tells no log-probabilities

    @property
    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/v1/models", self.listed, methods=["GET"])
        app.add_api_route("/v1/chat/completions", self.complete, methods=["POST"])
        return app

    async def listed(self) -> dict[str, Any]:
        return {"data": [{"id": "judge"}]}

    async def complete(self, request: Request) -> JSONResponse:
        body = await request.json()
        self.asked.append(body)
        if self.status != 200:
            return JSONResponse({"error": {"message": "no", "type": "x"}}, self.status)
        steps = self.rule(self.read(body))
        content = [self.step(likeliest) for likeliest in steps]
        message = {"role": "assistant", "content": "".join(step["token"] for step in content)}
        told = None if self.silent else {"content": content}
        return JSONResponse({"choices": [{"index": 0, "message": message, "logprobs": told}]})

    @staticmethod
    def read(body: Mapping[str, Any]) -> list[str]:
        return [text for _, text in ANSWERS.findall(body["messages"][1]["content"])]

    @staticmethod
    def step(likeliest: Likeliest) -> dict[str, Any]:
        top = [{"token": token, "logprob": math.log(p)} for token, p in likeliest.items()]
        return max(top, key=lambda one: one["logprob"]) | {"top_logprobs": top}
