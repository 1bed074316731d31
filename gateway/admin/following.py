"""Every gateway follows the ledger: routes within a second, and adapters back on engines that restarted."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.admin.drains import follow_drains
from gateway.admin.loans import loans_watched
from gateway.admin.reclaiming import reclaimed
from gateway.admin.rollouts import Rollouts, routes_in
from gateway.admin.trail import Change
from gateway.admin.versions import Version, Versions
from gateway.admin.weights.book import running_in
from gateway.admin.weights.following import bring_back, take_out
from gateway.admin.weights.keeping import kept
from gateway.background import running
from gateway.errors import Conflict
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.outcomes.recorder import outcomes_of
from gateway.outcomes.watched import watched_in
from gateway.policies.following import follow_named, follow_policy
from gateway.policies.store import PolicyStore
from gateway.routing import RoutesInvalid
from gateway.settings import SettingsInvalid
from gateway.tools import BASE_VERSION, Tools
from gateway.unserved import compared
from guards.verdict import PolicyRefused

FOLLOW_SECONDS = 0.5
ACTOR = "gateway"
log = logging.getLogger(__name__)


@asynccontextmanager
async def operated(tools: Tools) -> AsyncIterator["asyncio.Task[None]"]:
    """Routes, policy and adapters as the ledger has them, now and for as long as the block lasts."""
    assert tools.ledger is not None
    database = tools.ledger.database
    await first_version(tools, database)
    await follow(tools, database)
    if tools.fetching:  # requests are led to versions at once: a machine that is new gets them before
        await tools.fetching.tried()
        await follow(tools, database)
    policies = PolicyStore(database)
    configured = tools.screens.configured.policy
    await policies.keep(configured, configured.hash)  # exchanges name it, and it may be wanted back
    await follow_policy(tools, policies)
    await follow_named(tools, policies)
    await tools.engine.check()  # what a restarted engine has lost is loaded before anyone asks for it
    async with (
        running(keep_following(tools, database), "ledger follower") as follower,
        reclaimed(tools, database) as reclaimer,
        compared(tools.engine, tools.router),
        outcomes_of(tools, database),
        kept(tools, database, follow) as keeper,
        loans_watched(tools, database) as loans,
    ):
        tools.vital["ledger follower"] = lambda: not follower.done()
        tools.vital["weights keeper"] = lambda: not keeper.done()
        tools.vital["loans of engines"] = lambda: not loans.done()
        tools.vital["reclaimer"] = lambda: not reclaimer.done()
        yield follower


async def follow(tools: Tools, database: Database) -> None:
    """Publish the ledger's routes, and say which adapters engines should have, and which of them drain."""
    async with (
        database.read() as connection
    ):  # one moment: a swap leads requests away before it takes an engine out
        routes, staged = await routes_in(connection)
        running = await running_in(connection)
    here = tools.fetching.those_here(staged.values()) if tools.fetching else list(staged.values())
    tools.engine.adopt({each.model: each.directory for each in here if each.directory and not each.full})
    await bring_back(tools, here, running)
    await follow_drains(tools, database)
    async with database.read() as connection:
        tools.watching.current = await watched_in(connection)
    if routes != tools.router.current:
        tools.router.publish(routes)
    take_out(tools, running)


async def keep_following(tools: Tools, database: Database) -> None:
    """Follow until cancelled; while the database is away what was known last stays in force."""
    policies = PolicyStore(database)
    lost: str | None = None
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        try:
            async with tools.changing:
                await follow(tools, database)
                lacking = await follow_named(tools, policies)  # whatever becomes of the policy for all
                await follow_policy(tools, policies)
            if lacking:
                raise PolicyRefused("a policy of keys or aliases cannot be had here; they are refused")
            lost = None
        except (LedgerFailed, PolicyRefused, RoutesInvalid) as error:
            told = str(error) if isinstance(error, PolicyRefused) else type(error).__name__
            if lost != type(error).__name__:  # told once, not twice a second
                lost = type(error).__name__
                log.warning("what the ledger says cannot be followed: %s", told)


async def first_version(tools: Tools, database: Database) -> None:
    """Register the base model, and lead the configured alias to it when the ledger knows none."""
    settings = tools.settings
    await register_base(Versions(database), settings.base_model)
    rollouts = Rollouts(database)
    if settings.alias not in await rollouts.weights():
        change = Change("rollout", settings.alias, {}, {}, "first start")
        await rollouts.put(settings.alias, {BASE_VERSION: 1.0}, change, ACTOR)


async def register_base(versions: Versions, model: str) -> None:
    """Register the base model; raises SettingsInvalid where something in the ledger rests on another."""
    base = Version(BASE_VERSION, model, None, None, {}, "staged", datetime.now(UTC))
    try:
        await versions.register(base, ACTOR)
    except Conflict:
        try:
            await versions.rebase(base, ACTOR)
        except Conflict:
            known = (await versions.get(BASE_VERSION)).base
            told = f"the ledger's versions rest on {known!r} and not on {model!r}"
            raise SettingsInvalid(
                f"base_model: {told}; name that one, or another --home or --ledger"
            ) from None
