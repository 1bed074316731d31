"""What the gateway asks of an engine, and how an engine may fail.

EngineFailed              the engine did not answer as asked
├── EngineUnavailable     it cannot be reached, or its connection broke
├── EngineTimedOut        it had not answered in time
└── EngineRefused         it answered with an HTTP error; carries its status and OpenAI error body
"""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Protocol

Body = Mapping[str, Any]


class EngineFailed(Exception):
    """The engine did not answer as asked."""


class EngineUnavailable(EngineFailed):
    """The engine cannot be reached, or its connection broke in the middle."""


class EngineTimedOut(EngineFailed):
    """The engine had not answered in time."""


class EngineRefused(EngineFailed):
    """The engine answered with an HTTP error."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


class Engine(Protocol):
    """An OpenAI-compatible server in vLLM's dialect; every call raises EngineFailed or answers."""

    async def complete(self, body: Body) -> dict[str, Any]:
        """One non-streaming chat completion, as the engine words it; cancelling the call aborts it there."""
        ...

    def stream(self, body: Body) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of one streaming chat completion, `[DONE]` consumed; closing it aborts it there."""
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

    async def healthy(self) -> bool:
        """Whether it says that it can serve."""
        ...
