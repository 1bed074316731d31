"""A gateway on a real uvicorn, with a fake engine behind it and fakes at the Protocols."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai

from gateway.app import create_app
from gateway.engines.http import open_session
from gateway.exchange import Exchange
from gateway.ledger.contract import LedgerFull
from gateway.metrics import Metrics
from gateway.routing import Router
from gateway.screens import Screener, Screens
from gateway.settings import GatewaySettings, load_settings
from gateway.tools import Tools, first_routes, pool_of
from rewardserve.client import RewardUnavailable
from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.guards import word_screen
from tests.serving import Serving, serving_opened


@dataclass(frozen=True)
class FakeCaller:
    """A key's owner."""

    id: str
    role: str

    @property
    def name(self) -> str:
        return self.id


class FakeKeys:
    """One key a role, named after it."""

    def authenticate(self, secret: str) -> FakeCaller | None:
        roles = ("application", "viewer", "operator", "admin")
        return FakeCaller(f"key-{secret}", secret) if secret in roles else None


@dataclass
class FakeRecorder:
    """Keeps what it is given; refuses what is flagged when the disk is full."""

    exchanges: list[Exchange] = field(default_factory=list)
    full: bool = False

    async def record(self, exchange: Exchange) -> None:
        if self.full and exchange.flagged:
            raise LedgerFull("no space left on device")
        self.exchanges.append(exchange)


@dataclass
class FakeRewards:
    """The longer the better; or whatever `fails` says."""

    fails: str = ""  # away, slow, nan, short
    asked: list[list[str]] = field(default_factory=list)
    cancelled: int = 0

    async def score(
        self,
        messages: Sequence[Mapping[str, Any]],
        candidates: Sequence[str],
        *,
        deadline_seconds: float | None = None,
    ) -> list[float]:
        self.asked.append(list(candidates))
        if self.fails == "away":
            raise RewardUnavailable("nobody there")
        if self.fails == "slow":
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if self.fails == "nan":
            return [math.nan] * len(candidates)
        return [float(len(text)) for text in candidates][: 0 if self.fails == "short" else None]


@dataclass
class Running:
    """A gateway that can be asked, and everything around it."""

    engine: FakeEngine
    server: Serving
    recorder: FakeRecorder
    rewards: FakeRewards
    tools: Tools

    def reset(self, screen: Screener | None = None) -> None:
        """As if nothing had been asked yet."""
        self.engine.says()
        self.recorder.exchanges.clear()
        self.recorder.full = False
        self.rewards.fails = ""
        self.rewards.asked.clear()
        self.rewards.cancelled = 0
        self.tools.screens.publish(screen or word_screen())

    def sdk(self, key: str = "application", **how: Any) -> openai.OpenAI:
        """OpenAI's own client; to be closed by whoever asked for it."""
        return openai.OpenAI(
            base_url=f"{self.server.url}/v1", api_key=key, **{"max_retries": 0, "timeout": 10, **how}
        )

    def http(self, key: str = "application", **how: Any) -> httpx.Client:
        """A plain client, with a key in its headers."""
        headers = {"authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=10, **how)

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value now."""
        return self.tools.metrics.registry.get_sample_value(name, labels) or 0.0

    @property
    def recorded(self) -> Exchange:
        """The latest exchange."""
        return self.recorder.exchanges[-1]


def until(true: Any, seconds: float = 3.0) -> bool:
    """Wait until something is so; False when the time is over first."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(true())


@contextmanager
def running_gateway(**changes: Any) -> Iterator[Running]:
    """A gateway with a fake engine; `changes` are settings."""
    with fake_engine() as (engine, behind):
        settings = load_settings(
            **{
                "engines": [{"name": "fake", "url": f"{behind.url}/v1"}],
                "reward": {"url": "http://127.0.0.1:9", "timeout_seconds": 0.3},
                **changes,
            }
        )
        recorder, rewards, made = FakeRecorder(), FakeRewards(), list[Tools]()

        @asynccontextmanager
        async def opening() -> AsyncIterator[Any]:
            async with open_session() as session:
                made.append(fake_tools(settings, session, recorder, rewards))
                yield create_app(made[0])

        with serving_opened(opening) as server:
            yield Running(engine, server, recorder, rewards, made[0])


def fake_tools(
    settings: GatewaySettings, session: Any, recorder: FakeRecorder, rewards: FakeRewards
) -> Tools:
    """Real routes and engine clients; fakes for what the ledger and the reward server would be."""
    metrics = Metrics()
    return Tools(
        settings=settings,
        engine=pool_of(settings, session, metrics),
        screens=Screens(word_screen()),
        rewards=rewards,
        router=Router(first_routes(settings), metrics),
        recorder=recorder,
        keys=FakeKeys(),
        metrics=metrics,
    )
