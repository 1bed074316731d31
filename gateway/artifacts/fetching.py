"""Brings versions' files to this machine: when one is staged here, and when another gateway staged one.

A version whose files are not here yet is kept from engines, and fetched again after a while where that failed.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gateway.admin.versions import Version
from gateway.artifacts.store import ArtifactsFailed, ArtifactStore
from gateway.errors import UpstreamFailed

RETRY_SECONDS = 10.0
ARTIFACT = "artifact"  # in a version's lineage: its URL in the store
log = logging.getLogger(__name__)


class Fetching:
    """The versions that are here, or on their way."""

    def __init__(self, store: ArtifactStore) -> None:
        self.store = store
        self._here: set[str] = set()
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, float] = {}  # when to try once more, by the monotonic clock

    def those_here(self, versions: Iterable[Version]) -> list[Version]:
        """The versions whose files are here; those that are not begin to come."""
        return [each for each in versions if self._is_here(each) or self._begun(each)]

    async def bring(self, version: Version) -> None:
        """Return when the version's files are here; raises UpstreamFailed when they cannot be had."""
        if self._is_here(version):
            return
        try:
            await asyncio.to_thread(self.store.fetch, version.lineage[ARTIFACT])
        except ArtifactsFailed as error:
            raise UpstreamFailed(
                f"{version.id} was not staged: {error}", code="artifact_unavailable"
            ) from None

    async def tried(self) -> None:
        """Return when everything that is on its way has come, or has failed once."""
        await asyncio.gather(*self._coming.values())

    async def close(self) -> None:
        """Break off what is on its way."""
        self.store.stopped.set()
        with suppress(asyncio.CancelledError):
            await self.tried()

    def _is_here(self, version: Version) -> bool:
        """Whether nothing needs to be fetched; a directory that was here is not looked for again."""
        if version.directory is None or ARTIFACT not in version.lineage or version.id in self._here:
            return True
        if not version.directory.is_dir():
            return False
        self._here.add(version.id)
        return True

    def _begun(self, version: Version) -> bool:
        """False: it is not here, and on its way from now on, unless it is the time to wait."""
        if version.id not in self._coming and time.monotonic() >= self._again.get(version.id, 0.0):
            task = asyncio.create_task(self._fetched(version), name=f"fetching {version.id}")
            self._coming[version.id] = task
            task.add_done_callback(lambda _: self._coming.pop(version.id, None))
        return False

    async def _fetched(self, version: Version) -> None:
        try:
            place = await asyncio.to_thread(self.store.fetch, str(version.lineage[ARTIFACT]))
        except ArtifactsFailed as error:
            log.warning("version %s cannot be served here: %s", version.id, error)
            self._again[version.id] = time.monotonic() + RETRY_SECONDS
        else:
            told_where_it_is(version, place)


def told_where_it_is(version: Version, place: Path) -> None:
    """Say so where this machine keeps versions elsewhere than the ledger says: engines would look in vain."""
    if place != version.directory:
        log.warning(
            "version %s is in %s, and the ledger says %s: give gateways the same artifacts.cache",
            version.id,
            place,
            version.directory,
        )
