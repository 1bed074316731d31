"""The keys that are valid now, in memory; asked on every request, and kept fresh beside it.

A revoked key is dead within a second on every gateway. When the database is away the last known keys stay
valid: an outage of the ledger is not an outage of the service.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.ledger.contract import LedgerFailed
from gateway.tenants.keys import Key, KeyStore, digest

log = logging.getLogger(__name__)
REFRESH_SECONDS = 0.5


class Keyring:
    """Answers whose key a secret is, from a snapshot that is replaced whole."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self._valid: Mapping[str, Key] = {}
        self._fresh = True

    @classmethod
    @asynccontextmanager
    async def open(cls, store: KeyStore) -> "AsyncIterator[Keyring]":
        """The keyring, refreshed for as long as the block lasts."""
        keyring = cls(store)
        await keyring.refresh()
        task = asyncio.create_task(keyring.keep_fresh(), name="keyring")
        try:
            yield keyring
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def authenticate(self, secret: str) -> Key | None:
        """Whose key this is. Found by its digest, so that timing tells nothing of any secret."""
        return self._valid.get(digest(secret))

    async def refresh(self) -> None:
        """Read the valid keys now."""
        self._valid = await self.store.valid()

    async def keep_fresh(self) -> None:
        """Refresh until cancelled; says once when the database goes away, and once when it is back."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except LedgerFailed as error:
                if self._fresh:
                    log.warning(
                        "keys cannot be refreshed (%s); the last known stay valid", type(error).__name__
                    )
                self._fresh = False
            else:
                self._fresh = True
