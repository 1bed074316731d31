"""A job of a Ray cluster, followed from its submission to its end, also while the cluster's dashboard is away."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from finetune.errors import TrainingFailed, reason
from finetune.executors.processes import LISTEN_SECONDS
from finetune.executors.talk import Hearing

SILENT_SECONDS = 60.0  # that a dashboard may be away, as while it is started again
STOP_SECONDS = 40.0  # that a job may take to end once it is told to
log = logging.getLogger(__name__)


class Dashboard(Protocol):
    """What is asked of Ray's JobSubmissionClient; it blocks, and raises whatever it likes."""

    def submit_job(self, *, entrypoint: str) -> str:
        """Start a job; its name."""
        ...

    def get_job_status(self, job_id: str) -> Any:
        """A JobStatus."""
        ...

    def stop_job(self, job_id: str) -> bool:
        """Ask it to end, which it does later."""
        ...


@dataclass(frozen=True, slots=True)
class Jobs:
    """Runs jobs on one cluster."""

    dashboard: Dashboard
    silent: float = SILENT_SECONDS
    pause: float = LISTEN_SECONDS

    async def run(self, entrypoint: str, hearing: Hearing) -> tuple[str, Any]:
        """A job's name and how it ended; raises TrainingFailed. Cancelling returns once it has ended, or will not."""
        try:
            name = await asyncio.to_thread(self.dashboard.submit_job, entrypoint=entrypoint)
        except Exception as error:  # Ray raises RuntimeError, ConnectionError, and what requests raises
            raise TrainingFailed(
                f"executor.address: the Ray cluster takes no job: {reason(error)}"
            ) from error
        asking = asyncio.create_task(self._ended(name))
        try:
            while not asking.done():
                hearing.listen()  # apart from the questions, which may hang: who is not listened to stops
                await asyncio.wait({asking}, timeout=LISTEN_SECONDS)
            return name, asking.result()
        finally:
            asking.cancel()
            if not asking.done() or asking.cancelled() or asking.exception() is not None:
                await asyncio.shield(self.stop(name))

    async def _ended(self, name: str) -> Any:
        """Its last status; a question without an answer is asked again for a while."""
        heard = time.monotonic()
        while True:
            try:
                status = await asyncio.to_thread(self.dashboard.get_job_status, name)
            except Exception as error:  # as above
                if time.monotonic() - heard > self.silent:
                    told = f"Ray job {name}: its cluster did not answer for {self.silent:.0f} s"
                    raise TrainingFailed(f"{told}: {reason(error)}") from error
            else:
                if status.is_terminal():
                    return status
                heard = time.monotonic()
            await asyncio.sleep(self.pause)

    async def stop(self, name: str) -> None:
        """Tell it to end, and wait until it has; one that does not is told of in the log."""
        since, told = time.monotonic(), False
        while time.monotonic() - since < STOP_SECONDS:
            with suppress(Exception):  # as above; asked again
                if (await asyncio.to_thread(self.dashboard.get_job_status, name)).is_terminal():
                    return
                told = told or await asyncio.to_thread(self.dashboard.stop_job, name)
            await asyncio.sleep(self.pause)
        log.warning("Ray job %s has not ended after %.0f s: `ray job stop %s`", name, STOP_SECONDS, name)
