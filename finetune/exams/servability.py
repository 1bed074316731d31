"""Whether engines will load the version and answer as its training did: files, base model, and a scratch engine.

A scratch engine is one that serves nobody: by its address, a vLLM with `--enable-lora` and runtime updates allowed;
`pocket` starts the pocket engine in this process. There an adapter is loaded, asked greedily, and its
log-probabilities are held against those of this process. A whole model is asked where it is one's own engine that is
started; of one by address, which holds the base, the files alone are looked at.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import ConfigDict

from finetune.errors import ExamFailed, reason
from finetune.exams.condition import Condition
from finetune.exams.contract import Policy, Question
from finetune.exams.parity import Couple, disparity
from finetune.exams.plug import Findings, Sitting
from finetune.train.servable import faults_of
from gateway.admin.weights.files import holds_model
from gateway.exchange import Message

POCKET_ENGINE = "pocket"
OWN_NAME = "exam"  # of what the pocket engine is started with


@dataclass(frozen=True)
class Servability:
    """The exam `servability`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    engine: str | None = None  # the address of a scratch engine, or "pocket"; None looks at the files alone
    parity_at_most: float = 0.1  # nats, between two log-probabilities of one token
    prompts_asked: int = 4
    tokens: int = 16
    timeout_seconds: float = 300.0

    @property
    def judges(self) -> tuple[str, ...]:
        """Nobody."""
        return ()

    def prompts(self) -> tuple[str, ...]:
        """None beside the main exam's."""
        return ()

    async def examine(self, sitting: Sitting) -> Findings:
        """Every fault of the version; the bare base model has none."""
        if sitting.adapter is None:
            return Findings()
        faults = await asyncio.to_thread(faults_of, sitting.adapter, sitting.max_rank, sitting.base)
        whole = holds_model(sitting.adapter)
        if faults or self.engine is None or (whole and self.engine != POCKET_ENGINE):
            return Findings(faults=faults)
        return await self._served(sitting, sitting.adapter)

    async def _served(self, sitting: Sitting, version: Path) -> Findings:
        """What the scratch engine makes of it."""
        couples: dict[str, Couple] = {}
        whole = holds_model(version)
        base = str(version) if whole else sitting.base
        name = OWN_NAME if whole else f"exam-{uuid.uuid4().hex[:12]}"
        async with scratch(self.engine or "", base, sitting.max_rank, self.timeout_seconds) as client:
            refused = "" if whole else await loaded_as(client, name, version)
            if refused:
                return Findings(faults={"engine": refused})
            try:
                for question in chosen(sitting.questions, self.prompts_asked):
                    ours = await asyncio.to_thread(certain, sitting.policy, question.messages, self.tokens)
                    theirs = await certainty(client, name, question.messages, self.tokens)
                    couples[question.id] = Couple(ours, theirs)
            except httpx.HTTPError as error:
                raise ExamFailed(f"the scratch engine cannot be asked: {reason(error)}") from error
            finally:
                if not whole:
                    await unloaded(client, name)
        apart = {question: couple.apart for question, couple in couples.items()}
        told = disparity([*couples.values()], self.parity_at_most, self.tokens)
        return Findings({"apart": apart}, {"parity": told} if told else {})

    def conditions(self, _: Findings, after: Findings) -> tuple[Condition, ...]:
        """No fault; each has a condition of its own."""
        if not after.faults:
            apart = [one for each in after.values("apart").values() for one in each]
            told = (
                f"the scratch engine agrees within {max(apart):.4f} nats"
                if apart
                else "nothing that engines refuse"
            )
            return (Condition("served as trained", passed=True, told=told, reason="servability"),)
        return tuple(
            Condition("served as trained", passed=False, told=told, reason=f"servability.{code}")
            for code, told in after.faults.items()
        )


def chosen(questions: Sequence[Question], count: int) -> list[Question]:
    """Questions from all over the exam."""
    return list(questions[:: max(1, len(questions) // max(1, count))][:count])


def certain(policy: Policy, messages: Sequence[Message], tokens: int) -> list[float]:
    """Log-probabilities in this process, where the policy tells them."""
    told = getattr(policy, "certainty", None)
    if told is None:
        raise ExamFailed("this policy tells no log-probabilities to hold a scratch engine's against")
    found: list[float] = told(messages, tokens)
    return found


def scratch(
    engine: str, base: str, max_rank: int, timeout: float
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client of the scratch engine."""
    if engine == POCKET_ENGINE:
        return pocket_engine(base, max_rank)
    return httpx.AsyncClient(base_url=engine.rstrip("/").removesuffix("/v1"), timeout=timeout)


@asynccontextmanager
async def pocket_engine(base: str, max_rank: int) -> AsyncIterator[httpx.AsyncClient]:
    """The pocket engine, without a socket."""
    from gateway.engines.pocket.app import Serving, create_app  # noqa: PLC0415 - it brings torch
    from gateway.engines.pocket.model import PocketModel  # noqa: PLC0415 - as above

    model = await asyncio.to_thread(PocketModel.load, base)
    app = create_app(model, Serving(name=OWN_NAME, max_lora_rank=max_rank), "exam")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scratch") as client,
    ):
        yield client


async def loaded_as(client: httpx.AsyncClient, name: str, adapter: Path) -> str:
    """Load the adapter; what the engine says when it will not."""
    body = {"lora_name": name, "lora_path": str(adapter.resolve())}
    try:
        answer = await client.post("/v1/load_lora_adapter", json=body)
    except httpx.HTTPError as error:
        raise ExamFailed(f"the scratch engine cannot be reached: {reason(error)}") from error
    return "" if answer.is_success else f"the scratch engine refuses it: {answer.text[:300]}"


async def unloaded(client: httpx.AsyncClient, name: str) -> None:
    """Leave the scratch engine as it was."""
    await client.post("/v1/unload_lora_adapter", json={"lora_name": name})


async def certainty(
    client: httpx.AsyncClient, name: str, messages: Sequence[Message], tokens: int
) -> list[float]:
    """The log-probability of each token of the engine's likeliest answer."""
    body: dict[str, Any] = {
        "model": name,
        "messages": [dict(message) for message in messages],
        "max_tokens": tokens,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 0,
    }
    answer = await client.post("/v1/chat/completions", json=body)
    answer.raise_for_status()
    told = answer.json()["choices"][0]["logprobs"]
    return [float(each["logprob"]) for each in (told or {}).get("content") or []]
