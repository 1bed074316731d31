"""Engines and routes brought to what the ledger says, at start, after every change, and again and again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from gateway.engines.pool import Pool
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.versions import Change, Roster, Version, Versions
from gateway.routing import BASE_VERSION, Router, Routes, RoutesInvalid, Share

# Every gateway follows a change made through another one within this time.
FOLLOW_SECONDS = 0.5
STARTED = Change(actor="gateway", cause="first start", evidence={})
log = logging.getLogger(__name__)


class Fleet:
    """Everything that serves versions. Whoever changes versions or routes holds `lock`, then calls `follow`."""

    def __init__(self, versions: Versions, engine: Pool, router: Router) -> None:
        self.versions = versions
        self.engine = engine
        self.router = router
        self.lock = asyncio.Lock()
        self._adopted: frozenset[str] = frozenset()
        self._fresh = True

    async def found(self, base_model: str, alias: str) -> None:
        """Write down what a new gateway starts with, and take up what an earlier one left."""
        base = Version(BASE_VERSION, base_model, None, None, {}, "staged", datetime.now(UTC))
        await self.versions.found(base, alias, STARTED)
        async with self.lock:
            await self.follow()
        await self.engine.check()

    async def follow(self) -> None:
        """Serve what the ledger says now; to be called with the lock held."""
        roster = await self.versions.roster()
        adapters = {version.id: version.path for version in roster.staged if version.path is not None}
        self.engine.adopt(adapters)
        for gone in self._adopted - adapters.keys():
            await self.engine.unload_adapter(gone)
        self._adopted = frozenset(adapters)
        routes = routes_of(roster)
        if routes != self.router.current:
            self.router.publish(routes)

    def withhold(self, version_id: str) -> None:
        """Let no new request begin on a version, until `follow` says otherwise."""
        current = self.router.current
        models = {name: model for name, model in current.models.items() if name != version_id}
        self.router.publish(replace(current, models=models))

    async def keep_following(self) -> None:
        """Follow until cancelled; says once when the ledger goes away, and goes on with what was known."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                async with self.lock:
                    await self.follow()
                self._fresh = True
            except (LedgerFailed, RoutesInvalid) as error:
                if self._fresh:
                    log.warning("versions and routes cannot be followed (%s); the last known stay", error)
                self._fresh = False


@asynccontextmanager
async def following(fleet: Fleet) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that follows the ledger, for as long as the block lasts."""
    task = asyncio.create_task(fleet.keep_following(), name="versions")
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def routes_of(roster: Roster) -> Routes:
    """The routes as requests read them: every staged version has a name there, its own or the base model's."""
    models = {version.id: version.base if version.path is None else version.id for version in roster.staged}
    aliases = {
        alias: tuple(Share(version, weight) for version, weight in weights.items())
        for alias, weights in roster.aliases.items()
    }
    return Routes(aliases, models)
