"""A Ray cluster: Ray Train starts the processes of a training on its machines.

The driver is a process of its own, so that stopping it stops everything; behind an http:// address it is a Ray job on
the cluster. Datasets, base models and the folder of adapters must lie where all machines see them.
"""

import asyncio
import importlib.util
import json
import shlex
import shutil
import sys
from dataclasses import asdict, dataclass
from typing import Any

from finetune.errors import TrainingFailed, reason
from finetune.executors.contract import Ray
from finetune.executors.jobs import Jobs
from finetune.executors.processes import Files, files_for, run, told_while
from finetune.executors.sharing import unshareable
from finetune.executors.talk import Hearing
from finetune.progress import Progress
from finetune.train.contract import Job, Recipe, Trained

MISSING = "executor: ray is not installed; pip install 'trimtab[ray]'"


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Trains by Ray Train, in a process of its own or as a Ray job."""

    told: Ray

    def refuses(self, recipe: Recipe) -> str | None:
        """No Ray, or a batch that cannot be shared out."""
        if importlib.util.find_spec("ray") is None:
            return MISSING
        if (why := unshareable(recipe, "executor.workers", self.told.workers)) is not None:
            return why
        if recipe.device == "cuda" and not self.told.gpus_per_worker:
            return "executor.gpus_per_worker: recipe.device is 'cuda', and no worker gets any"
        return None

    async def learn(self, job: Job, progress: Progress) -> Trained:
        """Start the driver, listen, and stop it when cancelled; raises TrainingFailed."""
        if self.told.address.startswith(("http://", "https://")):
            return await self._submitted(job, progress)
        return await run(job, progress, self.command)

    def command(self, files: Files) -> list[str]:
        """The driver."""
        told = json.dumps(asdict(self.told))
        return [sys.executable, "-m", "finetune.executors.driver", str(files.job), str(files.talk), told]

    async def _submitted(self, job: Job, progress: Progress) -> Trained:
        """The same as a job of the cluster, which joins it there."""
        from ray.job_submission import JobSubmissionClient  # noqa: PLC0415 - Ray takes seconds

        files = files_for(job)
        hearing = Hearing(files.talk, progress)
        there = RayExecutor(Ray(**(asdict(self.told) | {"address": "auto"})))
        _, *arguments = there.command(files)
        with told_while(files):
            client = await asyncio.to_thread(connected, JobSubmissionClient, self.told.address)
            name, status = await Jobs(client).run(shlex.join(["python", *arguments]), hearing)
        found = hearing.result(f"Ray job {name} ended: {status}; `ray job logs {name}` tells more")
        shutil.rmtree(files.folder, ignore_errors=True)
        return found


def connected(kind: Any, address: str) -> Any:
    """A client of a cluster's dashboard; raises TrainingFailed."""
    try:
        return kind(address)
    except Exception as error:  # Ray raises RuntimeError, ConnectionError, and what requests raises
        raise TrainingFailed(
            f"executor.address: no Ray cluster answers at {address}: {reason(error)}"
        ) from error
