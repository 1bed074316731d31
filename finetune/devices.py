"""On which GPUs a retraining trains: its own, or those that engines give up meanwhile."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import ConfigDict, Field

from finetune.errors import TrainingFailed
from gateway.admin.client import AdminClient, AdminFailed, AdminRefused, AdminUnavailable

NOTHING_TO_RETURN = frozenset({"not_lent", "lease_lost", "moved"})  # it is somebody else's, or back already
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SharingRules:
    """Engines that sleep while a retraining trains; none by default."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    engines: tuple[str, ...] = ()
    allow_empty: bool = False  # whether nobody may answer meanwhile, where these are all engines
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 120.0  # for requests in flight


class Devices(Protocol):
    """Where a training has room."""

    async def check(self) -> None:
        """Raise TrainingFailed where it is plain before a run begins that there will be no room."""
        ...

    def free(self, run: str, worker: str) -> AbstractAsyncContextManager[None]:
        """Within it, this run may train, as long as the worker holds it; raises TrainingFailed when it may not."""
        ...


class Own:
    """Nobody else uses them."""

    async def check(self) -> None:
        """There is room."""

    def free(self, run: str, worker: str) -> AbstractAsyncContextManager[None]:
        """At once."""
        return nullcontext()


@dataclass(frozen=True, slots=True)
class Borrowing:
    """Has engines sleep; the gateway itself wakes them where this worker dies."""

    admin: AdminClient
    rules: SharingRules

    async def check(self) -> None:
        """Raise TrainingFailed where the gateway has no such engines, or may not put them to sleep.

        A gateway that is away is told of by the steps that need it: one that is gone on with may not, for hours.
        """
        try:
            managed = {each["name"]: each["managed"] for each in await self.admin.engines()}
        except AdminUnavailable:
            return
        except AdminFailed as error:
            raise TrainingFailed(
                f"finetune.share_gpu.engines: the gateway does not tell its own: {error}"
            ) from error
        if unknown := [name for name in self.rules.engines if name not in managed]:
            told = f"the gateway has no engine {', '.join(map(repr, unknown))}; it has {', '.join(managed)}"
            raise TrainingFailed(f"finetune.share_gpu.engines: {told}")
        if unmanaged := [name for name in self.rules.engines if not managed[name]]:
            told = f"{', '.join(unmanaged)} cannot be put to sleep: not managed (engines[].managed)"
            raise TrainingFailed(f"finetune.share_gpu.engines: {told}")

    @asynccontextmanager
    async def free(self, run: str, worker: str) -> AsyncIterator[None]:
        """Within it, the engines sleep; raises TrainingFailed when one cannot be had."""
        async with AsyncExitStack() as stack:
            for name in self.rules.engines:
                stack.push_async_callback(self._returned, name, run, worker)
                await self._borrowed(name, run, worker)
            yield

    async def _borrowed(self, name: str, run: str, worker: str) -> None:
        told = self.rules
        try:
            await self.admin.lend(
                name, run, told.timeout_seconds, allow_empty=told.allow_empty, worker=worker
            )
        except AdminFailed as error:
            raise TrainingFailed(f"share_gpu.engines: {name} cannot be had: {error}") from error

    async def _returned(self, name: str, run: str, worker: str) -> None:
        """Wake it; a training that went well is not lost because that did not: the gateway goes on trying.

        Also where the loan was refused, as far as this worker knows: the gateway tells whose it is.
        """
        try:
            await self.admin.give_back(name, f"{run} has trained", run, worker)
        except AdminRefused as error:
            if error.code not in NOTHING_TO_RETURN:
                log.warning("engine %s is not given back yet: %s", name, error)
        except AdminFailed as error:
            log.warning("engine %s is not given back yet: %s", name, error)
