"""Services that guards ask over HTTP: named addresses, which an operator's settings hold and a policy only names.

Addresses and secrets never stand in a policy: whoever may replace one must not choose where texts are sent.
"""

import asyncio
import json
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import PlainSerializer, PlainValidator, SecretStr, ValidationInfo, WithJsonSchema

from guards.verdict import GuardFailed, GuardTimedOut, GuardUnavailable

if TYPE_CHECKING:
    import aiohttp

Done = TypeVar("Done")
MOST_ANSWER_BYTES = 1 << 20
KEPT_SECONDS = 4.0  # of an idle connection: uvicorn, which many services run in, closes it after five
AWAY = frozenset({429, 502, 503, 504})  # the service is there, and cannot answer now
GONE = AWAY - {429}  # nobody is there
PROBE_SECONDS = 2.0  # for whoever only asks whether it is there
REFUSED_KEY = frozenset({401, 403})


@dataclass(slots=True, eq=False)
class Service:
    """One address, what it takes to be let in, and a pool of connections for each event loop that asks it."""

    name: str
    url: str
    key: SecretStr | None = None  # sent as a bearer token
    secret: SecretStr | None = None  # signs what is sent, and is never sent itself
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    timeout_seconds: float = 10.0
    max_connections: int = 64
    # Of aiohttp, whose names pydantic would look up here.
    _sessions: dict[asyncio.AbstractEventLoop, Any] = field(default_factory=dict, repr=False)

    async def ask(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """The JSON answer to a JSON question; raises GuardFailed."""
        return self.understood(await self.post(path, json.dumps(body).encode(), headers))

    async def away(self, seconds: float = PROBE_SECONDS) -> str:
        """Why it would not answer now, in a few words; empty where it does, whatever it answers. No text is sent."""
        import aiohttp  # noqa: PLC0415 - only where a service is asked

        limit = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session().get(self.url, timeout=limit, allow_redirects=False) as response:
                return f"answers {response.status}" if response.status in GONE else ""
        except TimeoutError:
            return f"has not answered within {seconds:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return f"cannot be reached: {type(error).__name__}"

    def understood(self, answer: bytes) -> Any:
        """An answer's JSON; raises GuardFailed."""
        try:
            return json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise GuardFailed(f"service {self.name} answered with something that is not JSON") from error

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """The answer's bytes; every foreign error leaves here as one of ours, and none quotes what was sent.

        A kept connection may have been closed just now by the other end, without having read anything: then it is
        asked once more.
        """
        import aiohttp  # noqa: PLC0415 - only where a service is asked

        try:
            try:
                return await self._posted(path, body, headers or {})
            except aiohttp.ServerDisconnectedError:
                return await self._posted(path, body, headers or {})
        except TimeoutError as error:
            raise GuardTimedOut(
                f"service {self.name} had not answered within {self.timeout_seconds:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
            raise GuardUnavailable(f"service {self.name} cannot be reached: {reason}") from error

    async def _posted(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        session = self._session()
        url = self.url.rstrip("/") + path if path else self.url
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise self.failure_of(response.status)
            return await self._bounded(response)

    async def _bounded(self, response: "aiohttp.ClientResponse") -> bytes:
        answer = bytearray()
        async for piece in response.content.iter_any():
            answer += piece
            if len(answer) > MOST_ANSWER_BYTES:
                raise GuardFailed(f"service {self.name} answered with more than {MOST_ANSWER_BYTES} bytes")
        return bytes(answer)

    def failure_of(self, status: int) -> GuardFailed:
        """What a status that is not 200 means; the answer's own words stay out, since they may quote the text."""
        told = f"service {self.name} answered {status}"
        if status in AWAY:
            return GuardUnavailable(told)
        if status in REFUSED_KEY:
            return GuardFailed(f"{told}: it does not accept the key that the settings give")
        if status == 404:
            return GuardFailed(f"{told}: it does not know this path or model")
        return GuardFailed(told)

    def _session(self) -> "aiohttp.ClientSession":
        """The running loop's pool, opened when it is first needed."""
        import aiohttp  # noqa: PLC0415 - only where a service is asked

        loop = asyncio.get_running_loop()
        found: aiohttp.ClientSession | None = self._sessions.get(loop)
        if found is None or found.closed:
            self._sessions = {one: pool for one, pool in self._sessions.items() if not one.is_closed()}
            own = {name: value.get_secret_value() for name, value in self.headers.items()}
            if self.key is not None:
                own["authorization"] = f"Bearer {self.key.get_secret_value()}"
            found = self._sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.max_connections, keepalive_timeout=KEPT_SECONDS),
                timeout=aiohttp.ClientTimeout(total=self.timeout_seconds),
                headers={"content-type": "application/json", "accept-encoding": "identity", **own},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return found

    async def close(self) -> None:
        """Close the running loop's connections; whoever asks again opens new ones."""
        found = self._sessions.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found.close()


class Services(Mapping[str, Service]):
    """The services by name; as an async context, their connections end with it."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._services = {one.name: one for one in services}

    def __getitem__(self, name: str) -> Service:
        return self._services[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    async def close(self) -> None:
        """Close the running loop's connections to all of them."""
        for one in self._services.values():
            await one.close()

    async def during(self, doing: Awaitable[Done]) -> Done:
        """What is awaited, with connections that end when it does; for whoever has an event loop for it alone."""
        async with self:
            return await doing

    async def __aenter__(self) -> Self:
        """Ready: the library that asks is loaded now, rather than while the first text waits."""
        if self._services:
            import aiohttp  # noqa: F401, PLC0415 - only where there is a service to ask
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def missing(services: Iterable[Service]) -> list[str]:
    """A sentence for each of these that would not answer now."""
    told = {one.name: one for one in services}
    found = await asyncio.gather(*(one.away() for one in told.values()))
    return [f"service {name} {why}" for name, why in zip(told, found, strict=True) if why]


def named(name: Any, info: ValidationInfo) -> Service:
    """The service that a policy names; ValueError where the settings have none of that name."""
    if isinstance(name, Service):
        return name
    services: Mapping[str, Service] = (info.context or {}).get("services") or {}
    if not isinstance(name, str):
        raise ValueError("must be the name of a service, which the settings hold under guards.services")  # noqa: TRY004
    if name not in services:
        known = f"known are {', '.join(sorted(services))}" if services else "none is configured"
        raise ValueError(f"there is no service of this name in the settings (guards.services); {known}")
    return services[name]


# A policy's field that names a service.
NamedService = Annotated[
    Service,
    PlainValidator(named),
    PlainSerializer(lambda service: service.name, return_type=str),
    WithJsonSchema({"type": "string", "description": "The name of a service in the gateway's settings."}),
]
