"""The executor that the settings name, as a trainer of the learning loop."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from finetune.errors import TrainingFailed, reason
from finetune.executors.accelerate import AccelerateExecutor
from finetune.executors.contract import Accelerate, Executor, Local, Other, Ray, Where
from finetune.executors.ray import RayExecutor
from finetune.pairs.dataset import Dataset
from finetune.progress import Progress
from finetune.train.checkpoints import left_off
from finetune.train.contract import Recipe, Trained, job_of

log = logging.getLogger(__name__)
GROUP = "trimtab.executors"


@dataclass(frozen=True, slots=True)
class ElsewhereTrainer:
    """Trains by an executor into `folder`; `base` is used where the recipe names none."""

    executor: Executor
    base: str
    folder: Path
    progress: Progress
    reward_url: str | None = field(
        default=None, repr=False
    )  # that online methods ask; it may hold a password
    fewest: int = 0  # pairs that must be short enough to be learnt

    async def train(self, dataset: Dataset, recipe: Recipe, last: Path | None = None) -> Trained:
        """Learn a frozen dataset; cancelling stops every process of it, and logs where it goes on."""
        if (why := self.executor.refuses(recipe)) is not None:
            raise TrainingFailed(why)
        folder = self.folder.absolute()
        job = job_of(dataset, recipe, self.base, folder, last, self.reward_url, fewest=self.fewest)
        try:
            return await self.executor.learn(job, self.progress)
        except asyncio.CancelledError:
            log.warning("%s", left_off(job))
            raise


def executor_of(where: Where) -> Executor | None:
    """Who trains; None is this process itself. Raises TrainingFailed."""
    match where:
        case Local():
            return None
        case Accelerate():
            return AccelerateExecutor(where)
        case Ray():
            return RayExecutor(where)
        case Other(kind, options):
            return added(kind)(**options)


def added(kind: str) -> Callable[..., Executor]:
    """Another package's factory; raises TrainingFailed."""
    known = {point.name: point for point in entry_points(group=GROUP)}
    if kind not in known:
        names = ", ".join(["local", "accelerate", "ray", *sorted(known)])
        raise TrainingFailed(f"executor: there is no executor {kind!r}; known are {names}")
    try:
        factory: Callable[..., Executor] = known[kind].load()
    except (ImportError, AttributeError) as error:
        raise TrainingFailed(f"executor: {kind!r} cannot be loaded: {reason(error)}") from error
    return factory
