"""A fake engine whose weights can be replaced as vLLM's are, with vLLM's traps.

A paused one takes requests and lets them wait. A reload leaves the prefix cache as it is, so that a prompt heard
before is answered by the weights before. A reload that fails empties the weights: health stays good, and the next
request kills the engine. What the weights say is the name of their folder.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.fakes.engine import BASE, Asked, FakeEngine, Script, Sender
from tests.serving import Serving, serving

ORDERS = (
    "/pause",
    "/resume",
    "/collective_rpc",
    "/reset_prefix_cache",
    "/update_weight_version",
)
RESTS = ("/sleep", "/wake_up", "/is_sleeping")


@dataclass
class ManagedEngine(FakeEngine):
    """An ASGI app; `started_on` is the directory of the model that it was started with."""

    started_on: Path = Path("/nowhere")
    weights: str | None = None  # the folder's name; None: emptied
    version: str = "default"
    paused: bool = False
    resets: bool = True  # False: the prefix cache cannot be emptied
    fails_on: set[str] = field(default_factory=set)  # folders whose weights it cannot load
    slow_seconds: float = 0.0  # of an answer
    orders: list[str] = field(default_factory=list)
    computed: dict[str, str] = field(default_factory=dict)  # prompts, and whose keys and values are kept
    dead: bool = False
    asleep: bool = False
    sleeps: bool = True  # False: it was not started to
    wakes: bool = True
    falling_asleep: int = 0  # orders to sleep that wait for `may_sleep`
    may_sleep: bool = True

    def start(self) -> None:
        """As its supervisor starts it: with the weights that it began with, and nothing computed."""
        self.weights, self.version, self.paused = self.started_on.name, "default", False
        self.dead, self.healthy, self.asleep = False, True, False
        self.computed.clear()
        self.adapters.clear()

    async def _answer(self, scope: Any, raw: bytes, leaving: "asyncio.Task[None]", sender: Sender) -> None:
        path = scope["path"]
        if self.dead:
            await sender.error(503 if path == "/health" else 500, "EngineDeadError", "InternalServerError")
            return
        if path in ORDERS:
            self.orders.append(path)
            await self._obey(path, json.loads(raw), sender)
        elif path in RESTS:
            await self._rest(path, sender)
        elif path == "/weight_info":
            await sender.json(200, {"weight_version": self.version})
        elif path == "/v1/models":
            names = [*self.models, *self.adapters]
            cards = [{"id": name, "root": str(self.started_on)} for name in names]
            await sender.json(200, {"object": "list", "data": cards})
        else:
            await super()._answer(scope, raw, leaving, sender)

    async def _obey(self, path: str, body: dict[str, Any], sender: Sender) -> None:
        if path == "/pause":
            self.paused = True
            while any(each.state == "open" for each in self.requests):
                await asyncio.sleep(0.005)
        elif path == "/resume":
            self.paused = False
        elif path == "/collective_rpc":
            if not self._reload(Path(body["kwargs"]["weights_path"])):
                await sender.error(500, "the weights cannot be read", "InternalServerError")
                return
        elif path == "/reset_prefix_cache":
            if self.resets:
                self.computed.clear()
        else:
            self.version = body["new_version"]
        await sender.json(200, {"success": self.resets or path != "/reset_prefix_cache"})

    async def _rest(self, path: str, sender: Sender) -> None:
        if path == "/wake_up" and not self.wakes:
            await sender.error(500, "no memory", "InternalServerError")
            return
        self.falling_asleep += path == "/sleep"
        while path == "/sleep" and not self.may_sleep:
            await asyncio.sleep(0.005)
        if path != "/is_sleeping":
            self.asleep = path == "/sleep" and self.sleeps
        await sender.json(200, {"is_sleeping": self.asleep})

    def _reload(self, folder: Path) -> bool:
        self.weights = None if folder.name in self.fails_on or not folder.is_dir() else folder.name
        return self.weights is not None

    async def _complete(self, asked: Asked, leaving: "asyncio.Task[None]", sender: Sender) -> None:
        while self.paused:
            await asyncio.sleep(0.005)
        if self.asleep:  # vLLM dies of it
            self.weights = None
        if self.weights is None:
            self.dead, self.healthy = True, False
            await sender.error(500, "EngineDeadError", "InternalServerError")
            return
        prompt = json.dumps(asked.body.get("messages"))
        own = asked.body["model"] if asked.body["model"] != BASE else self.weights
        says = self.computed.setdefault(f"{asked.body['model']} {prompt}", own)
        script = Script(texts=(f"{says} says so at some length.",), before_answer=self.slow_seconds)
        self.by_model[asked.body["model"]] = replace(script, between_chunks=self.slow_seconds / 10)
        await super()._complete(asked, leaving, sender)


@contextmanager
def managed_engine(started_on: Path) -> Iterator[tuple[ManagedEngine, Serving]]:
    """One on a port of its own."""
    engine = ManagedEngine(started_on=started_on)
    engine.start()
    with serving(engine) as server:
        yield engine, server
