"""The keys that are valid now, in memory; asked on every request, and kept fresh beside it.

A revoked key is dead within a second on every gateway, an expired one at its moment. When the database is away
the last known keys stay valid: an outage of the ledger is not an outage of the service.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.ledger.contract import LedgerFailed
from gateway.tenants.keys import Key, KeyStore, digest

log = logging.getLogger(__name__)
REFRESH_SECONDS = 0.5
PATIENCE_SECONDS = 5.0  # with one refresh: a database that hangs is away, and may be back the next time


class Keyring:
    """Answers whose key a secret is, from a snapshot that is replaced whole."""

    def __init__(self, store: KeyStore, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.store = store
        self._patience_seconds = patience_seconds
        self._task: asyncio.Task[None] | None = None
        self._valid: Mapping[str, Key] = {}
        self._fresh = True

    @classmethod
    @asynccontextmanager
    async def open(
        cls, store: KeyStore, patience_seconds: float = PATIENCE_SECONDS
    ) -> "AsyncIterator[Keyring]":
        """The keyring, refreshed for as long as the block lasts."""
        keyring = cls(store, patience_seconds)
        await keyring.refresh()
        keyring._task = task = asyncio.create_task(keyring.keep_fresh(), name="keyring")
        try:
            yield keyring
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def alive(self) -> bool:
        """Whether it is still kept fresh: else a revoked key would be valid for ever."""
        return self._task is not None and not self._task.done()

    def authenticate(self, secret: str) -> Key | None:
        """Whose key this is. Found by its digest, so that timing tells nothing of any secret."""
        key = self._valid.get(digest(secret))
        return None if key is None or key.expired(datetime.now(UTC)) else key

    async def refresh(self) -> None:
        """Read the valid keys now."""
        self._valid = await self.store.valid()

    async def keep_fresh(self) -> None:
        """Refresh until cancelled; says once when the database goes away, and once when it is back."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await self.refresh()
            except (LedgerFailed, TimeoutError) as error:
                if self._fresh:
                    log.warning(
                        "keys cannot be refreshed (%s); the last known stay valid", type(error).__name__
                    )
                self._fresh = False
            else:
                self._fresh = True
