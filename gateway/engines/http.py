"""An engine behind HTTP: OpenAI's surface in vLLM's dialect; aiohttp's errors are translated here alone.

Cancelling a call closes its connection, which is how vLLM learns that nobody waits for it any more.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from gateway.engines.contract import Body, EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable
from gateway.sse import DONE, Decoder, FrameTooLong

# Shorter than the 5 s after which uvicorn, and so vLLM, hangs up on an idle connection.
KEEP_ALIVE_SECONDS = 4.0
HEALTH = aiohttp.ClientTimeout(2.0)
SWAPPING = aiohttp.ClientTimeout(120.0)
LISTING = aiohttp.ClientTimeout(10.0)
DRAIN_SECONDS = 0.1
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an engine may take: to accept, to answer whole, and between two pieces of a stream."""

    connect_seconds: float = 5.0
    answer_seconds: float = 300.0
    stall_seconds: float = 60.0


def open_session() -> aiohttp.ClientSession:
    """A session for engines: as many connections as requests, no cookies, no proxy from the environment."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class HttpEngine:
    """One replica, by name, `/v1` URL and key."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,
        url: str,
        api_key: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {**JSON, "authorization": f"Bearer {api_key}"} if api_key else JSON
        patience = patience or Patience()
        self._whole = aiohttp.ClientTimeout(
            total=patience.answer_seconds, sock_connect=patience.connect_seconds
        )
        self._streamed = aiohttp.ClientTimeout(
            total=None, sock_connect=patience.connect_seconds, sock_read=patience.stall_seconds
        )

    async def complete(self, body: Body) -> dict[str, Any]:
        """One chat completion, whole."""
        async with self._asked("/chat/completions", body, self._whole) as response:
            return self._object(await response.read())

    async def stream(self, body: Body) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of one chat completion; raises when it ends without `[DONE]` or stalls."""
        decoder = Decoder()
        async with self._asked("/chat/completions", body, self._streamed) as response:
            if response.content_type != "text/event-stream":
                raise EngineFailed(f"engine {self.name} did not answer with a stream")
            async for received in response.content.iter_any():
                for payload in decoder.feed(received):
                    if payload == DONE:
                        await self._drain(response)
                        return
                    yield self._chunk(payload)
        raise EngineUnavailable(f"engine {self.name} broke off in the middle of its answer")

    async def models(self) -> tuple[str, ...]:
        """The names it serves now."""
        async with self._asked("/models", None, LISTING) as response:
            listed = self._object(await response.read())
        return tuple(str(model["id"]) for model in listed.get("data", ()))

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter under a new name; vLLM activates it before it answers."""
        body = {"lora_name": name, "lora_path": str(path), "load_inplace": False}
        async with self._asked("/load_lora_adapter", body, SWAPPING) as response:
            await response.read()

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter's name."""
        body = {"lora_name": name}
        async with self._asked("/unload_lora_adapter", body, SWAPPING) as response:
            await response.read()

    async def healthy(self) -> bool:
        """Whether `/health` (beside `/v1`) answers 200; where there is none, whether it lists models."""
        try:
            async with self._session.get(
                self._url.removesuffix("/v1") + "/health", headers=self._headers, timeout=HEALTH
            ) as response:
                if response.status != 404:
                    return response.status == 200
            async with self._asked("/models", None, HEALTH):
                return True
        except (aiohttp.ClientError, TimeoutError, EngineFailed):
            return False

    @asynccontextmanager
    async def _asked(
        self, path: str, body: Body | None, limit: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful response; every way to fail, there or while reading it, becomes an EngineFailed."""
        try:
            response = await self._send(path, body, limit)
            try:
                if response.status != 200:
                    raise self._refused(response.status, await response.read())
                yield response
            finally:
                response.close()  # of no effect on a connection whose answer was read to its end
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            raise EngineUnavailable(f"engine {self.name} cannot be reached") from None
        except TimeoutError:
            raise EngineTimedOut(f"engine {self.name} did not answer in time") from None
        except aiohttp.ClientError:
            raise EngineUnavailable(f"engine {self.name} broke off in the middle of its answer") from None
        except FrameTooLong as error:
            raise EngineFailed(f"engine {self.name}: {error}") from None

    async def _send(
        self, path: str, body: Body | None, limit: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        method = "GET" if body is None else "POST"
        data = None if body is None else orjson.dumps(body)

        async def send() -> aiohttp.ClientResponse:
            return await self._session.request(
                method,
                self._url + path,
                data=data,
                headers=self._headers,
                timeout=limit,
                allow_redirects=False,
            )

        try:
            return await send()
        except aiohttp.ServerDisconnectedError:
            # It hung up on an idle connection just as we used it; nothing was answered, so ask again.
            return await send()

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        """Read the closing bytes after `[DONE]`, so that the connection can be used again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await response.content.read()

    def _refused(self, status: int, raw: bytes) -> EngineFailed:
        try:
            error = orjson.loads(raw)
            error = error.get("error", error)
            param, code = _symbol(error.get("param")), _symbol(error.get("code"))
            return EngineRefused(status, str(error["message"]), param=param, code=code)
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            return EngineRefused(status, f"engine {self.name} answered {status}")

    def _object(self, raw: bytes) -> dict[str, Any]:
        try:
            found = orjson.loads(raw)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise EngineFailed(f"engine {self.name} did not answer with a JSON object")
        return found

    def _chunk(self, payload: bytes) -> dict[str, Any]:
        chunk = self._object(payload)
        if error := chunk.get("error"):
            raise EngineFailed(f"engine {self.name} failed in the middle: {_message(error)}")
        return chunk


def _symbol(value: Any) -> str | None:
    """A name that a program may compare; vLLM repeats the HTTP status in its place, which is none."""
    return value if isinstance(value, str) and not value.isdigit() else None


def _message(error: Any) -> str:
    return str(error.get("message", "no reason given")) if isinstance(error, dict) else str(error)
