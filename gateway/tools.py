"""Everything outside of a request that a journey touches, opened and closed in one place."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from gateway.admission import Admission
from gateway.artifacts.fetching import Fetching
from gateway.artifacts.opening import fetching_of
from gateway.background import Running
from gateway.callers import Keys
from gateway.engines.embedder import Embedder
from gateway.engines.health import watched
from gateway.engines.http import HttpEngine, Patience
from gateway.engines.origin import Origins
from gateway.engines.pool import Pool
from gateway.engines.providers import engine_of
from gateway.ledger.contract import Recorder
from gateway.ledger.expiry import swept
from gateway.ledger.responses import Keeping, Responses
from gateway.ledger.store import Ledger
from gateway.ledger_watch import watched_ledger
from gateway.metrics import Metrics
from gateway.outcomes.watching import Watching
from gateway.policies.shadow import Shadows, shadowing
from gateway.routing import Router, Routes, Share
from gateway.screens import Screens, open_screen
from gateway.settings import GatewaySettings
from gateway.strategies.memory import RouteMemory
from gateway.tenants.budgets import kept_budgets
from gateway.tenants.keyring import Keyring
from gateway.tenants.keys import KeyStore
from gateway.tenants.quotas import Quotas
from gateway.tenants.shared import shared_rates
from guards.settings import services_of
from rewardserve.client import RewardClient
from rewardserve.reward import Reward

BASE_VERSION = "base"  # the policy model as the engine came with it


class Rewards(Protocol):
    """Scores candidates; raises rewardserve's RewardFailed when it cannot."""

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
        """One reward for each candidate, or for each beginning of one; a tenant waits behind its own requests first."""
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
    admission: Admission
    quotas: Quotas
    embedder: Embedder | None = None  # without it, the policy engines embed
    ledger: Ledger | None = None  # the whole of what `recorder` is a part of, for the operator's surface
    fetching: Fetching | None = None  # of versions from the artifact store; None where there is none
    shadows: Shadows | None = None  # judges what was answered by the shadow policy, where there is one
    responses: Responses | None = None  # answers that clients may come back to; None where nothing is kept
    memory: RouteMemory = field(default_factory=RouteMemory)  # of what earlier requests showed of rewards
    watching: Watching = field(default_factory=Watching)  # of requests while a new version comes into traffic
    vital: dict[str, Callable[[], bool]] = field(default_factory=dict)
    # Held while versions, routes or policy change, in the ledger and here and while the ledger is followed:
    # else a follower could put in force what has just been replaced.
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def dead(self) -> list[str]:
        """The background tasks that have ended and should not have."""
        return [name for name, alive in self.vital.items() if not alive()]

    def lacking(self) -> list[str]:
        """The versions that aliases lead to and whose files could not be fetched yet."""
        if self.fetching is None:
            return []
        shares = [
            share for each in self.router.current.aliases.values() for share in each if share.weight > 0
        ]
        return sorted({share.version for share in shares} & self.fetching.lacking)


@asynccontextmanager
async def open_tools(settings: GatewaySettings) -> AsyncIterator[Tools]:
    """The real tools; raises PolicyRefused, or LedgerFailed, before anything is served."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    metrics = Metrics(settings.metrics_dir)
    vital: dict[str, Callable[[], bool]] = {}
    async with open_screens(settings) as screens, AsyncExitStack() as stack:
        enter = stack.enter_async_context
        keep = keeper(stack, vital)
        origins = await enter(Origins())
        engine = pool_of(settings, origins, metrics)
        await keep("engine health", watched(engine))
        rewards = await enter(reward_client(settings)) if settings.reward.url else None
        ledger = await enter(ledger_of(settings))
        await keep("ledger metrics", watched_ledger(ledger, metrics))
        shadows = await enter(shadowing(metrics, ledger.database))
        responses = Responses(ledger.database, keeping(settings))
        await keep("response expiry", swept(responses))
        keys = await enter(Keyring.open(KeyStore(ledger.database, actor="gateway")))
        quotas = await enter(open_quotas(settings, metrics))
        await keep("budgets", kept_budgets(quotas.budgets, ledger.database, metrics))
        vital |= {"ledger writer": lambda: ledger.health.writer_alive, "keyring": lambda: keys.alive}
        vital["shadow policy"] = lambda: shadows.alive
        yield Tools(
            settings=settings,
            engine=engine,
            screens=screens,
            rewards=rewards,
            router=Router(first_routes(settings), metrics),
            recorder=ledger,
            keys=keys,
            metrics=metrics,
            admission=Admission(settings.limits, metrics),
            quotas=quotas,
            embedder=embedder_of(settings, origins),
            ledger=ledger,
            fetching=await enter(fetching_of(settings)),
            shadows=shadows,
            responses=responses,
            vital=vital,
        )


@asynccontextmanager
async def open_screens(settings: GatewaySettings) -> AsyncIterator[Screens]:
    """The guards of the configured policy, and the services that it and others may name; raises PolicyRefused."""
    async with services_of(settings.guards.services) as services:
        yield Screens(await open_screen(settings.guards.policy, services), services)


def keeper(
    stack: AsyncExitStack, vital: dict[str, Callable[[], bool]]
) -> Callable[[str, Running], Awaitable[None]]:
    """Starts background tasks that must not end before the stack does, each under its name."""

    async def keep(name: str, running: Running) -> None:
        task = await stack.enter_async_context(running)
        vital[name] = lambda: not task.done()

    return keep


def ledger_of(settings: GatewaySettings) -> AbstractAsyncContextManager[Ledger]:
    """The ledger that the settings name."""
    return Ledger.open(
        settings.ledger_url,
        settings.journal_dir,
        sample_rate=settings.ledger.sample_rate,
        journal_limit_bytes=settings.journal_limit_bytes,
    )


def keeping(settings: GatewaySettings) -> Keeping:
    """How stored responses are kept."""
    return Keeping(timedelta(days=settings.responses.keep_days), settings.responses.max_bytes)


@asynccontextmanager
async def open_quotas(settings: GatewaySettings, metrics: Metrics) -> AsyncIterator[Quotas]:
    """The limits of keys, counted where the settings say; raises SettingsInvalid."""
    limits = settings.limits
    if limits.redis_url is None:
        yield Quotas(limits, metrics, workers=settings.workers)
        return
    async with shared_rates(limits.redis_url.get_secret_value(), metrics) as rates:
        yield Quotas(limits, metrics, rates, workers=settings.workers)


def pool_of(settings: GatewaySettings, origins: Origins, metrics: Metrics) -> Pool:
    """The engines that the settings name."""
    patience = patience_of(settings)
    return Pool(
        [engine_of(one, origins, patience) for one in settings.engines],
        metrics,
        {one.name: one.serves for one in settings.engines},
        settings.limits.first_byte_timeout_seconds,
        [one.name for one in settings.engines if one.managed],
    )


def embedder_of(settings: GatewaySettings, origins: Origins) -> Embedder | None:
    """The server for embeddings that the settings name, if they name one."""
    told = settings.embeddings
    if told is None:
        return None
    headers = {"authorization": f"Bearer {told.api_key.get_secret_value()}"} if told.api_key else {}
    engine = HttpEngine(origins, "embeddings", told.url, headers, patience_of(settings))
    return Embedder(engine, told.models)


def patience_of(settings: GatewaySettings) -> Patience:
    """How long engines may take."""
    limits = settings.limits
    return Patience(
        limits.connect_timeout_seconds, limits.request_timeout_seconds, limits.stream_stall_seconds
    )


def reward_client(settings: GatewaySettings) -> RewardClient:
    """The client of the reward server that the settings name."""
    return RewardClient(str(settings.reward.url), settings.reward.timeout_seconds)


def first_routes(settings: GatewaySettings) -> Routes:
    """Where an alias leads before any version was registered: to the base model."""
    return Routes({settings.alias: (Share(BASE_VERSION, 1.0),)}, {BASE_VERSION: settings.base_model})
