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
LOOK_SECONDS = 10.0  # between two looks at a directory that was here: somebody may empty the cache
TRIED_SECONDS = 60.0  # a gateway that starts waits no longer for what is on its way
ARTIFACT = "artifact"  # in a version's lineage: its URL in the store
log = logging.getLogger(__name__)


class Fetching:
    """The versions that are here, or on their way."""

    def __init__(
        self, store: ArtifactStore, *, retry: float = RETRY_SECONDS, look: float = LOOK_SECONDS
    ) -> None:
        self.store = store
        self._retry, self._look = retry, look  # in seconds
        self.lacking: frozenset[str] = frozenset()  # of those that should be here, as it was seen last
        self._here: dict[str, float] = {}  # when to look again, by the monotonic clock
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, float] = {}  # when to try once more
        self._elsewhere: set[str] = set()  # those of which that was told

    def those_here(self, versions: Iterable[Version]) -> list[Version]:
        """The versions whose files are here, or were: engines still have those. What is not here begins to come."""
        all_of_them = list(versions)
        absent = [each for each in all_of_them if not self._is_here(each)]
        for each in absent:
            self._begin(each)
        self.lacking = frozenset(each.id for each in absent)
        return [each for each in all_of_them if each.id not in self.lacking or each.id in self._here]

    async def bring(self, version: Version) -> None:
        """Return when the version's files are here; raises UpstreamFailed when they cannot be had."""
        if is_there(version):
            return
        try:
            await asyncio.to_thread(self.store.fetch, version.lineage[ARTIFACT])
        except ArtifactsFailed as error:
            raise UpstreamFailed(
                f"{version.id} was not staged: {error}", code="artifact_unavailable"
            ) from None

    async def tried(self, seconds: float | None = TRIED_SECONDS) -> None:
        """Return when everything that is on its way has come, or has failed once; or after some seconds, told."""
        coming = dict(self._coming)
        if not coming:
            return
        await asyncio.wait(coming.values(), timeout=seconds)
        if late := sorted(name for name, task in coming.items() if not task.done()):
            log.warning("after %.0f s still on their way here: %s", seconds, ", ".join(late))

    async def close(self) -> None:
        """Break off what is on its way."""
        self.store.stopped.set()
        with suppress(asyncio.CancelledError):
            await self.tried(None)

    def _is_here(self, version: Version) -> bool:
        """Whether nothing needs to be fetched; looked for now and then."""
        now = time.monotonic()
        if now < self._here.get(version.id, 0.0):
            return True
        if found := is_there(version):
            self._here[version.id] = now + self._look
        return found

    def _begin(self, version: Version) -> None:
        """It is on its way from now on, unless it is the time to wait."""
        if version.id not in self._coming and time.monotonic() >= self._again.get(version.id, 0.0):
            task = asyncio.create_task(self._fetched(version), name=f"fetching {version.id}")
            self._coming[version.id] = task
            task.add_done_callback(lambda _: self._coming.pop(version.id, None))

    async def _fetched(self, version: Version) -> None:
        try:
            place = await asyncio.to_thread(self.store.fetch, str(version.lineage[ARTIFACT]))
        except ArtifactsFailed as error:
            log.warning("version %s cannot be served here: %s", version.id, error)
        else:
            if version.id not in self._elsewhere and not told_where_it_is(version, place):
                self._elsewhere.add(version.id)
        finally:  # where it did not come to its place, too
            self._again[version.id] = time.monotonic() + self._retry


def is_there(version: Version) -> bool:
    """Whether its files are where they should be, or never were in the store."""
    return version.directory is None or ARTIFACT not in version.lineage or version.directory.is_dir()


def told_where_it_is(version: Version, place: Path) -> bool:
    """Whether it is where the ledger says; warned where this machine keeps versions elsewhere: engines look in vain."""
    if place == version.directory:
        return True
    log.warning(
        "version %s is in %s, and the ledger says %s: give gateways the same artifacts.cache",
        version.id,
        place,
        version.directory,
    )
    return False
