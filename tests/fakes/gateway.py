"""A gateway on a real uvicorn, with a fake engine behind it and fakes at the Protocols."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import openai

from gateway.admission import Admission
from gateway.app import create_app
from gateway.engines.origin import Origins
from gateway.exchange import Exchange
from gateway.ledger.contract import LedgerFull
from gateway.ledger.database import Database
from gateway.ledger.responses import Responses
from gateway.metrics import Metrics
from gateway.routing import Router
from gateway.screens import Screener, Screens
from gateway.serving.process import server_of
from gateway.settings import GatewaySettings, load_settings
from gateway.tenants.quotas import Quotas
from gateway.tenants.terms import NO_TERMS, Terms
from gateway.tools import Tools, embedder_of, first_routes, keeping, pool_of
from rewardserve.client import RewardRefused, RewardUnavailable
from rewardserve.reward import Reward
from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.guards import word_screen
from tests.serving import Serving, serving_opened


@dataclass(frozen=True)
class FakeCaller:
    """A key's owner."""

    id: str
    role: str
    terms: Terms = NO_TERMS

    @property
    def name(self) -> str:
        return self.id


@dataclass
class FakeKeys:
    """One key a role, named after it; and application keys with terms of their own."""

    terms: dict[str, Terms] = field(default_factory=dict)

    def authenticate(self, secret: str) -> FakeCaller | None:
        if secret in self.terms:
            return FakeCaller(f"key-{secret}", "application", self.terms[secret])
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

    fails: str = ""  # away, refused, slow, nan, short
    asked: list[list[str]] = field(default_factory=list)
    begun: list[list[str]] = field(default_factory=list)  # the same, of answers that are not whole
    read: list[Sequence[Mapping[str, Any]]] = field(default_factory=list)  # the conversations
    cancelled: int = 0

    async def rewards(
        self,
        messages: Sequence[Mapping[str, Any]],
        candidates: Sequence[str],
        *,
        partial: bool = False,
        tenant: str = "",
        route: str = "",
        deadline_seconds: float = 0.0,
    ) -> list[Reward]:
        (self.begun if partial else self.asked).append(list(candidates))
        self.read.append(messages)
        if self.fails == "away":
            raise RewardUnavailable("nobody there")
        if self.fails == "refused":
            raise RewardRefused("too long", status=400, param="conversations[0]")
        if self.fails == "slow":
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if self.fails == "nan":
            return [Reward(math.nan)] * len(candidates)
        return [Reward(len(text)) for text in candidates][: 0 if self.fails == "short" else None]


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
        self.rewards.begun.clear()
        self.rewards.read.clear()
        self.rewards.cancelled = 0
        self.tools.screens.publish(screen or word_screen())

    def sdk(self, key: str = "application", **how: Any) -> openai.OpenAI:
        """OpenAI's own client; to be closed by whoever asked for it."""
        return openai.OpenAI(
            base_url=f"{self.server.url}/v1", api_key=key, **{"max_retries": 0, "timeout": 30, **how}
        )

    def http(self, key: str = "application", **how: Any) -> httpx.Client:
        """A plain client, with a key in its headers."""
        headers = {"authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=30, **how)

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
def running_gateway(*, database: str | None = None, **changes: Any) -> Iterator[Running]:
    """A gateway with a fake engine; stores responses where there is a database's URL; `changes` are settings."""
    with fake_engine() as (engine, behind):
        settings = load_settings(
            **{
                "engines": [{"name": "fake", "url": f"{behind.url}/v1"}],
                "reward": {"url": "http://127.0.0.1:9", "timeout_seconds": 0.3},
                **changes,
            }
        )
        limits = settings.limits.model_copy(update={"shutdown_seconds": 2.0})
        recorder, rewards, made = FakeRecorder(), FakeRewards(), list[Tools]()

        @asynccontextmanager
        async def opening() -> AsyncIterator[Any]:
            async with AsyncExitStack() as stack:
                session = await stack.enter_async_context(Origins())
                tools = fake_tools(settings, session, recorder, rewards)
                if database:
                    opened = await stack.enter_async_context(Database(database))
                    tools = replace(tools, responses=Responses(opened, keeping(settings)))
                made.append(tools)
                yield create_app(tools)

        with serving_opened(opening, lambda app: server_of(app, limits)) as server:
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
        admission=Admission(settings.limits, metrics),
        quotas=Quotas(settings.limits, metrics, workers=settings.workers),
        embedder=embedder_of(settings, session),
    )
