"""A whole gateway on a real uvicorn, both surfaces on one port, with a real ledger and a fake engine."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.admin.app import create_admin
from gateway.admin.client import AdminClient
from gateway.admin.following import operated
from gateway.app import create_app
from gateway.settings import load_settings
from gateway.tenants.keys import ROLES, KeyStore
from gateway.tools import Tools, open_tools
from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.guards import word_screen
from tests.serving import Serving, serving_opened


@dataclass
class House:
    """A running gateway, its engine, and a key of each role."""

    engine: FakeEngine
    server: Serving
    tools: Tools
    keys: dict[str, str]
    folder: Path
    clients: dict[str | None, httpx.Client] = field(default_factory=dict)

    @contextmanager
    def http(self, role: str | None = "admin") -> Iterator[httpx.Client]:
        """A plain client with the key of a role; without one, nobody's."""
        headers = {"authorization": f"Bearer {self.keys[role]}"} if role else {}
        if role not in self.clients:  # making one costs more than a request
            self.clients[role] = httpx.Client(base_url=self.server.url, headers=headers, timeout=20)
        yield self.clients[role]

    def admin(self, role: str = "admin") -> AdminClient:
        """The typed client."""
        return AdminClient(self.server.url, self.keys[role])

    def adapter(self, name: str, weights: str = "weights") -> Path:
        """An adapter directory; each name has content of its own."""
        folder = self.folder / "adapters" / name
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "name": name}))
        (folder / "adapter_model.safetensors").write_text(weights)
        return folder

    def ask(self, text: str = "Hello", model: str = "assistant") -> httpx.Response:
        """One chat completion."""
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        with self.http() as client:
            return client.post("/v1/chat/completions", json=body)


@contextmanager
def open_house(folder: Path, engine_url: str, engine: FakeEngine, **changes: Any) -> Iterator[House]:
    """A gateway whose home is `folder`; another one may have lived there before. `changes` are settings."""
    engines = [{"name": "fake", "url": f"{engine_url}/v1"}]
    settings = load_settings(home=folder / "home", **{"engines": engines, **changes})
    made: list[Any] = []

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with open_tools(settings) as tools:
            if "guards" not in changes:
                tools.screens.start(word_screen())
            store = KeyStore(tools.ledger.database, "test")
            keys = {role: await store.create(role, role) for role in ROLES}
            await tools.keys.refresh()
            async with operated(tools):
                made.extend([tools, {role: secret for role, (_, secret) in keys.items()}])
                yield either(create_admin(tools), create_app(tools))

    with serving_opened(opening) as server:
        house = House(engine, server, made[0], made[1], folder)
        yield house
        for client in house.clients.values():
            client.close()


def either(admin: Any, public: Any) -> Any:
    """Both surfaces on one port, for tests."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        ours = scope["path"].startswith(("/admin", "/metrics"))
        await (admin if ours else public)(scope, receive, send)

    return app


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for a file of tests, which leave the default alias on the base model."""
    folder = tmp_path_factory.mktemp("house")
    with fake_engine() as (engine, behind), open_house(folder, behind.url, engine) as house:
        yield house


async def in_time(true: Any, seconds: float = 10.0) -> None:
    """Wait until something is so; raises TimeoutError when it never is."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)
