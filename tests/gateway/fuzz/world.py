"""A whole gateway in this process, asked over ASGI without a socket: the quickest way to ask it very often."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.admin.app import create_admin
from gateway.admin.following import operated
from gateway.app import create_app
from gateway.settings import load_settings
from gateway.tenants.keys import ROLES, KeyStore
from gateway.tools import Tools, open_tools
from tests.fakes.gateway import FakeRewards
from tests.fakes.guards import word_screen
from tests.fakes.raw_engine import RawEngine, raw_engine

Headers = Sequence[tuple[bytes, bytes]]
SECONDS = 30.0  # within which every request must have been answered; a busy machine takes its time


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def streamed(self) -> bool:
        return self.headers[b"content-type"].startswith(b"text/event-stream")


class Complaints(logging.Handler):
    """What the gateway's log says went wrong that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(logging.Formatter().format(record))


@dataclass
class World:
    """The gateway, its engine, a key of each role, and the loop that they live on."""

    runner: asyncio.Runner
    tools: Tools
    engine: RawEngine
    public: Any
    admin: Any
    keys: dict[str, str]
    complaints: Complaints = field(default_factory=Complaints)

    def post(self, path: str, raw: bytes, role: str = "application") -> Answer:
        """Ask for something; raises TimeoutError when no answer comes."""
        return self.ask("POST", path, raw, role)

    def ask(
        self, method: str, path: str, raw: bytes = b"", role: str = "application", more: Headers = ()
    ) -> Answer:
        """One request to whichever listener the path belongs to."""
        app = self.admin if path.startswith("/admin") else self.public
        headers = [(b"authorization", b"Bearer " + self.keys[role].encode()), *more]
        return self.runner.run(asyncio.wait_for(asked(app, method, path, raw, headers), SECONDS))

    def at_rest(self) -> None:
        """Assert that nobody is being answered, and that no crash was logged; what was asked is forgotten."""
        self.engine.asked.clear()
        told, self.complaints.told = self.complaints.told, []
        assert not told, told[0]
        self.runner.run(settled(self))


async def asked(app: Any, method: str, path: str, raw: bytes, headers: list[tuple[bytes, bytes]]) -> Answer:
    """What an ASGI app answers to a client that stays until it is answered."""
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
    }
    scope |= {"path": target, "raw_path": target.encode(), "query_string": query.encode(), "root_path": ""}
    scope |= {"headers": [(b"host", b"test"), *headers], "client": ("127.0.0.1", 1), "server": ("test", 80)}
    waiting, answered = [{"type": "http.request", "body": raw, "more_body": False}], asyncio.Event()
    sent: list[Any] = []

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    head, *bodies = sent
    assert not bodies[-1].get("more_body"), "the response never ended"
    return Answer(head["status"], dict(head["headers"]), b"".join(each.get("body", b"") for each in bodies))


async def settled(world: World) -> None:
    """Raise TimeoutError unless every engine connection is soon free, or gone, and every turn over."""
    async with asyncio.timeout(SECONDS):
        while busy(world):
            await asyncio.sleep(0)


def busy(world: World) -> list[Any]:
    """What of the gateway still works for somebody."""
    replicas = world.tools.engine.replicas
    connections = [each for replica in replicas for each in replica.engine._origin._busy]
    return [*connections, *(each for each in replicas if each.requests or each.tokens)]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Tools, RawEngine, dict[str, str]]]:
    """Real tools but for the engine and the reward model."""
    async with raw_engine() as engine:
        engines = [{"name": name, "url": engine.url} for name in ("one", "two")]
        limits = {"max_body_bytes": 2_000_000, "max_n": 4}
        settings = load_settings(
            home=folder, engines=engines, limits=limits, reward={"url": "http://127.0.0.1:9"}
        )
        async with open_tools(settings) as real:
            tools = replace(real, rewards=FakeRewards())
            tools.screens.start(word_screen())
            store = KeyStore(tools.ledger.database, "test")
            keys = {role: (await store.create(role, role))[1] for role in ROLES}
            await tools.keys.refresh()
            async with operated(tools):
                yield tools, engine, keys


@contextmanager
def opened_world(folder: Path) -> Iterator[World]:
    """A world for as long as the block lasts."""
    with asyncio.Runner() as runner:
        opening = opened(folder)
        tools, engine, keys = runner.run(opening.__aenter__())
        world = World(runner, tools, engine, create_app(tools), create_admin(tools), keys)
        for name in ("gateway", "trimtab", "asyncio"):
            logging.getLogger(name).addHandler(world.complaints)
        try:
            yield world
        finally:
            for name in ("gateway", "trimtab", "asyncio"):
                logging.getLogger(name).removeHandler(world.complaints)
            runner.run(opening.__aexit__(None, None, None))
