"""An engine behind HTTP: OpenAI's surface in vLLM's dialect; what goes wrong on the wire is translated here alone.

Cancelling a call closes its connection, which is how vLLM learns that nobody waits for it any more.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.engines.border import check_answer
from gateway.engines.connection import BrokenOff, Connection, ConnectionFailed, TooSlow, Unreachable
from gateway.engines.contract import (
    Body,
    EngineFailed,
    EngineRefused,
    EngineTimedOut,
    EngineUnavailable,
    Kind,
)
from gateway.engines.origin import Origins
from gateway.engines.tongues import TONGUES, Tongue
from gateway.nesting import nests_too_deeply
from gateway.sse import DONE, Decoder, FrameTooLong

HEALTH_SECONDS, LISTING_SECONDS, SWAPPING_SECONDS = 2.0, 10.0, 120.0
DRAIN_SECONDS = 0.1
LONGEST_ANSWER_BYTES = 256 * 1024 * 1024
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an engine may take: to accept, to answer whole, and between two pieces of a stream."""

    connect_seconds: float = 5.0
    answer_seconds: float = 300.0
    stall_seconds: float = 60.0


class HttpEngine:
    """One replica, by name, `/v1` URL and the headers that it wants, its key's among them."""

    def __init__(
        self,
        origins: Origins,
        name: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self._patience = patience or Patience()
        parts = urlsplit(url)
        self._base = parts.path.rstrip("/")
        self._query = (
            f"?{parts.query}" if parts.query else ""
        )  # some providers want a version of theirs there
        self._root = self._base.removesuffix("/v1")
        self._origin = origins.at(url, {**JSON, **(headers or {})}, self._patience.connect_seconds)

    async def complete(self, body: Body, kind: Kind = "chat") -> dict[str, Any]:
        """One completion, whole."""
        tongue = TONGUES[kind]
        answer = await self._whole(tongue.path, tongue.asked(body), self._patience.answer_seconds)
        return tongue.completion(answer)

    async def stream(self, body: Body, kind: Kind = "chat") -> AsyncGenerator[list[dict[str, Any]], None]:
        """The chunks of one completion, as they came together; raises when it ends without `[DONE]` or stalls."""
        decoder, tongue, patience = Decoder(), TONGUES[kind], self._patience.stall_seconds
        async with self._asked(tongue.path, tongue.asked(body), patience) as answer:
            if not answer.headers.get(b"content-type", b"").startswith(b"text/event-stream"):
                raise EngineFailed(f"engine {self.name} did not answer with a stream")
            while (received := await answer.piece(patience)) is not None:
                payloads = decoder.feed(received)
                done = DONE in payloads
                chunks, failure = self._chunks(payloads[: payloads.index(DONE)] if done else payloads, tongue)
                if chunks:
                    yield chunks
                if failure is not None:
                    raise failure
                if done:
                    await self._drain(answer)
                    return
        raise EngineUnavailable(f"engine {self.name} broke off in the middle of its answer")

    async def embed(self, body: Body) -> dict[str, Any]:
        """The vectors of some texts."""
        return await self._whole("/embeddings", body, self._patience.answer_seconds)

    async def count(self, body: Body) -> int:
        """How many tokens a conversation is, by `/tokenize` beside `/v1`, which only engines like vLLM have."""
        async with self._asked("/tokenize", body, LISTING_SECONDS, self._root) as answer:
            count = self._object(await read(answer, LISTING_SECONDS)).get("count")
        if not isinstance(count, int):  # another engine's route of this name, which knows no conversations
            raise EngineRefused(501, f"engine {self.name} counts no tokens")
        return count

    async def models(self) -> tuple[str, ...]:
        """The names it serves now."""
        listed = await self._whole("/models", None, LISTING_SECONDS)
        return tuple(str(model["id"]) for model in listed.get("data", ()))

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter under a new name; vLLM activates it before it answers."""
        body = {"lora_name": name, "lora_path": str(path), "load_inplace": False}
        async with self._asked("/load_lora_adapter", body, SWAPPING_SECONDS) as answer:
            await read(answer, SWAPPING_SECONDS)

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter's name."""
        async with self._asked("/unload_lora_adapter", {"lora_name": name}, SWAPPING_SECONDS) as answer:
            await read(answer, SWAPPING_SECONDS)

    async def loads_adapters(self) -> bool | None:
        """Whether the route is there: 405 where it waits for a POST, 404 where there is none."""
        try:
            async with self._asked("/load_lora_adapter", None, LISTING_SECONDS):
                return None
        except EngineRefused as refused:
            return {405: True, 404: False}.get(refused.status)
        except EngineFailed:
            return None

    async def healthy(self) -> bool:
        """Whether `/health` (beside `/v1`) answers 200; where there is none, whether it lists models."""
        path = self._root + "/health"
        try:
            async with self._origin.asked("GET", path, b"", HEALTH_SECONDS) as answer:
                await read(answer, HEALTH_SECONDS)
                if answer.status != 404:
                    return answer.status == 200
            await self._whole("/models", None, HEALTH_SECONDS)
        except (ConnectionFailed, EngineFailed):
            return False
        return True

    async def operate(self, path: str, body: Body | None, seconds: float) -> dict[str, Any]:
        """What one of its own routes beside `/v1` answers."""
        async with self._asked(path, body, seconds, self._root) as answer:
            return self._object(await read(answer, seconds))

    async def _whole(self, path: str, body: Body | None, seconds: float) -> dict[str, Any]:
        method, data = requested(body)
        try:
            async with self._origin.asked(
                method, f"{self._base}{path}{self._query}", data, seconds
            ) as answer:
                raw = await read(answer, seconds)
        except ConnectionFailed as error:
            raise self._failure(error) from None
        if answer.status != 200:
            raise self._refused(answer, raw)
        return self._object(raw)

    @asynccontextmanager
    async def _asked(
        self, path: str, body: Body | None, seconds: float, base: str | None = None
    ) -> AsyncIterator[Connection]:
        """A successful answer; every way to fail, there or while reading it, becomes an EngineFailed."""
        method, data = requested(body)
        path = f"{self._base if base is None else base}{path}{self._query}"
        try:
            async with self._origin.asked(method, path, data, seconds) as answer:
                if answer.status != 200:
                    raise self._refused(answer, await read(answer, seconds))
                yield answer
        except ConnectionFailed as error:
            raise self._failure(error) from None
        except FrameTooLong as error:
            raise EngineFailed(f"engine {self.name}: {error}") from None

    def _failure(self, error: ConnectionFailed) -> EngineFailed:
        if isinstance(error, Unreachable):
            return EngineUnavailable(f"engine {self.name} cannot be reached")
        if isinstance(error, TooSlow):
            return EngineTimedOut(f"engine {self.name} did not answer in time")
        return EngineUnavailable(f"engine {self.name} broke off in the middle of its answer")

    async def _drain(self, answer: Connection) -> None:
        """Read the closing bytes after `[DONE]`, so that the connection can be used again."""
        with suppress(ConnectionFailed, TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while await answer.piece(DRAIN_SECONDS) is not None:
                    pass

    def _refused(self, answer: Connection, raw: bytes) -> EngineRefused:
        status, advice = answer.status, _seconds(answer.headers.get(b"retry-after"))
        try:
            error = orjson.loads(raw)
            error = error.get("error", error)
            said, param, code = str(error["message"]), _symbol(error.get("param")), _symbol(error.get("code"))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            said, param, code = f"engine {self.name} answered {status}", None, None
        return EngineRefused(status, said, param=param, code=code, retry_after_seconds=advice)

    def _object(self, raw: bytes) -> dict[str, Any]:
        try:
            found = orjson.loads(raw)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict) or nests_too_deeply(raw, found):
            raise EngineFailed(f"engine {self.name} did not answer with a JSON object")
        check_answer(found)
        return found

    def _chunks(
        self, payloads: list[bytes], tongue: Tongue
    ) -> tuple[list[dict[str, Any]], EngineFailed | None]:
        """The chunks up to the one that fails, and how it does."""
        chunks: list[dict[str, Any]] = []
        try:
            for payload in payloads:
                chunks.append(tongue.chunk(self._chunk(payload)))  # noqa: PERF401 - those before a failure count
        except EngineFailed as failure:
            return chunks, failure
        return chunks, None

    def _chunk(self, payload: bytes) -> dict[str, Any]:
        chunk = self._object(payload)
        if error := chunk.get("error"):
            raise EngineFailed(f"engine {self.name} failed in the middle: {_message(error)}")
        return chunk


def requested(body: Body | None) -> tuple[str, bytes]:
    """The method and the bytes for a body, or for none."""
    return ("GET", b"") if body is None else ("POST", orjson.dumps(body))


async def read(answer: Connection, seconds: float) -> bytes:
    """A whole body, each piece within so many seconds; raises ConnectionFailed."""
    pieces, size = [], 0
    while (piece := await answer.piece(seconds)) is not None:
        pieces.append(piece)
        size += len(piece)
        if size > LONGEST_ANSWER_BYTES:
            raise BrokenOff("an answer beyond all bounds")
    return b"".join(pieces)


def _symbol(value: Any) -> str | None:
    """A name that a program may compare; vLLM repeats the HTTP status in its place, which is none."""
    return value if isinstance(value, str) and not value.isdigit() else None


def _seconds(advice: bytes | None) -> int | None:
    """An engine's advice when to ask again, where it is a sensible number of seconds."""
    return int(advice) if advice and len(advice) < 5 and advice.isdigit() else None


def _message(error: Any) -> str:
    return str(error.get("message", "no reason given")) if isinstance(error, dict) else str(error)
