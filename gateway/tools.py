"""Everything outside of a request that a journey touches, opened and closed in one place."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from gateway.callers import Keys
from gateway.engines.health import watched
from gateway.engines.http import HttpEngine, Patience, open_session
from gateway.engines.pool import Pool
from gateway.ledger.contract import Recorder
from gateway.ledger.store import Ledger
from gateway.ledger_watch import watched_ledger
from gateway.metrics import Metrics
from gateway.routing import Router, Routes, Share
from gateway.screens import Screens, open_screen
from gateway.settings import GatewaySettings
from gateway.tenants.keyring import Keyring
from gateway.tenants.keys import KeyStore
from rewardserve.client import RewardClient

BASE_VERSION = "base"  # the policy model as the engine came with it


class Rewards(Protocol):
    """Scores candidates; raises rewardserve's RewardFailed when it cannot."""

    async def score(
        self,
        messages: Sequence[Mapping[str, Any]],
        candidates: Sequence[str],
        *,
        deadline_seconds: float | None = None,
    ) -> list[float]:
        """One raw reward for each candidate."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """One of each; both listeners use the same."""

    settings: GatewaySettings
    engine: Pool
    screens: Screens
    rewards: Rewards | None
    router: Router
    recorder: Recorder
    keys: Keys
    metrics: Metrics
    ledger: Ledger | None = None  # the whole of what `recorder` is a part of, for the operator's surface
    vital: dict[str, Callable[[], bool]] = field(default_factory=dict)
    # Held while versions, routes or policy change, in the ledger and here and while the ledger is followed:
    # else a follower could put in force what has just been replaced.
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def dead(self) -> list[str]:
        """The background tasks that have ended and should not have."""
        return [name for name, alive in self.vital.items() if not alive()]


@asynccontextmanager
async def open_tools(settings: GatewaySettings) -> AsyncIterator[Tools]:
    """The real tools; raises PolicyRefused, or LedgerFailed, before anything is served."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    metrics = Metrics()
    screens = Screens(open_screen(settings.guards.policy))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        engine = pool_of(settings, await enter(open_session()), metrics)
        engine_watch = await enter(watched(engine))
        rewards = await enter(reward_client(settings)) if settings.reward.url else None
        ledger = await enter(
            Ledger.open(settings.ledger_url, settings.journal_dir, sample_rate=settings.ledger.sample_rate)
        )
        ledger_watch = await enter(watched_ledger(ledger, metrics))
        keys = await enter(Keyring.open(KeyStore(ledger.database, actor="gateway")))
        yield Tools(
            settings=settings,
            engine=engine,
            screens=screens,
            rewards=rewards,
            router=Router(first_routes(settings), metrics),
            recorder=ledger,
            keys=keys,
            metrics=metrics,
            ledger=ledger,
            vital={
                "engine health": lambda: not engine_watch.done(),
                "ledger writer": lambda: ledger.health.writer_alive,
                "ledger metrics": lambda: not ledger_watch.done(),
                "keyring": lambda: keys.alive,
            },
        )


def pool_of(settings: GatewaySettings, session: aiohttp.ClientSession, metrics: Metrics) -> Pool:
    """The engines that the settings name."""
    limits = settings.limits
    patience = Patience(
        limits.connect_timeout_seconds, limits.request_timeout_seconds, limits.stream_stall_seconds
    )
    return Pool(
        [
            HttpEngine(
                session, one.name, one.url, one.api_key.get_secret_value() if one.api_key else None, patience
            )
            for one in settings.engines
        ],
        metrics,
    )


def reward_client(settings: GatewaySettings) -> RewardClient:
    """The client of the reward server that the settings name."""
    return RewardClient(str(settings.reward.url), settings.reward.timeout_seconds)


def first_routes(settings: GatewaySettings) -> Routes:
    """Where an alias leads before any version was registered: to the base model."""
    return Routes({settings.alias: (Share(BASE_VERSION, 1.0),)}, {BASE_VERSION: settings.base_model})
