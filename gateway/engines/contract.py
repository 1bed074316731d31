"""What the gateway asks of an engine, and how an engine may fail.

EngineFailed              the engine did not answer as asked
├── EngineUnavailable     it cannot be reached, or its connection broke
├── EngineTimedOut        it had not answered in time
└── EngineRefused         it answered with an HTTP error; carries its status and OpenAI error body
"""

import re
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

Body = Mapping[str, Any]
Kind = Literal["chat", "text"]  # the next turn of a conversation, or how a text goes on
# What not every engine can: several choices from one call, logprobs, loading adapters while it serves.
Capability = Literal["n", "logprobs", "adapters"]


# What an engine answers that has no such route, or whose model is of another kind.
NO_SUCH_ROUTE = frozenset({404, 405, 501})
# What engines say that name the field nowhere: vLLM and OpenAI, and Ollama.
NO_SUCH_MODEL = re.compile(r"\bmodel\b.{0,300}(does not exist|not found)", re.IGNORECASE | re.DOTALL)


class EngineFailed(Exception):
    """The engine did not answer as asked."""


class EngineUnavailable(EngineFailed):
    """The engine cannot be reached, or its connection broke in the middle."""


class EngineTimedOut(EngineFailed):
    """The engine had not answered in time."""


class EngineRefused(EngineFailed):
    """The engine answered with an HTTP error; `retry_after_seconds` is what it advises, where it does."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.message = message
        self.param = param
        self.code = code
        self.model: str | None = None  # that was asked for, where the engine does not know it

    @property
    def no_such_model(self) -> bool:
        """Whether it does not know the model, which it says in the same status as that it has no such route."""
        if self.status != 404:
            return False
        named = self.param == "model" or self.code == "model_not_found"
        return named or NO_SUCH_MODEL.search(self.message) is not None

    @property
    def no_such_route(self) -> bool:
        """Whether it cannot do what was asked, whatever was asked of it that way."""
        return self.status in NO_SUCH_ROUTE and not self.no_such_model


class Engine(Protocol):
    """An OpenAI-compatible server in vLLM's dialect; every call raises EngineFailed or answers."""

    async def complete(self, body: Body, kind: Kind = "chat") -> dict[str, Any]:
        """One non-streaming completion in a chat completion's shape; cancelling the call aborts it there."""
        ...

    def stream(self, body: Body, kind: Kind = "chat") -> AsyncGenerator[list[dict[str, Any]], None]:
        """The chunks of one streaming completion, those that came together at once; closing it aborts it there."""
        ...

    async def embed(self, body: Body) -> dict[str, Any]:
        """The vectors of some texts, in OpenAI's shape; cancelling the call aborts it there."""
        ...

    async def count(self, body: Body) -> int:
        """How many tokens a conversation is to one of its models."""
        ...

    async def models(self) -> tuple[str, ...]:
        """The names it serves now: the base model and every loaded adapter."""
        ...

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter from a directory the engine can read, under a name never used before."""
        ...

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter's name; requests in flight on it finish."""
        ...

    async def loads_adapters(self) -> bool | None:
        """Whether it has a route to load adapters, found without loading any; None when it does not tell."""
        ...

    async def healthy(self) -> bool:
        """Whether it says that it can serve."""
        ...

    async def operate(self, path: str, body: Body | None, seconds: float) -> dict[str, Any]:
        """What one of its own routes beside `/v1` answers: a POST with a body, a GET with none."""
        ...


class Named(Engine, Protocol):
    """An engine with the name that its operator gave it."""

    @property
    def name(self) -> str:
        """Unique among the replicas."""
        ...
