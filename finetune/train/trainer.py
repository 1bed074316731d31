"""Trains an adapter by any method, in this process: goes on where a killed one stopped, and fits the memory."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback

from finetune.errors import TrainingFailed, reason
from finetune.pairs.dataset import Dataset
from finetune.progress import Progress
from finetune.train import dpo, kto, online, sft
from finetune.train.adapter import keep
from finetune.train.checkpoints import last_whole, place_of
from finetune.train.contract import Recipe, Trained
from finetune.train.memory import give_back, memory_kept
from finetune.train.quiet import quiet
from finetune.train.servable import unservable
from finetune.train.setup import Setup
from finetune.train.watching import MARGIN, Watch, health_of

METHODS: Mapping[str, Callable[[Setup], Any]] = {
    "dpo": dpo.build,
    "sft": sft.build,
    "kto": kto.build,
    "grpo": online.build,
    "rloo": online.build,
}
# What each method's log calls what was gained: a margin between answers, tokens told rightly, reward.
GAINS = {"sft": "mean_token_accuracy", "grpo": "reward", "rloo": "reward"}


@dataclass(frozen=True, slots=True)
class AdapterTrainer:
    """Trains adapters into `folder`; `base` is used where the recipe names none."""

    base: str
    folder: Path
    progress: Progress
    reward_url: str | None = None  # of the server that online methods ask

    async def train(self, dataset: Dataset, recipe: Recipe) -> Trained:
        """Learn a frozen dataset; cancelling stops training after the step it is in."""
        stop = threading.Event()
        task = asyncio.create_task(asyncio.to_thread(self._train, dataset, recipe, stop))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)
            raise

    def _train(self, dataset: Dataset, recipe: Recipe, stop: threading.Event) -> Trained:
        began = time.monotonic()
        give_back()
        gain = GAINS.get(recipe.method, MARGIN)
        watch = Watch(stop, self.progress, gain=gain, alarm_nats=recipe.alarm_nats)
        base = recipe.base or self.base
        place = place_of(self.folder.parent / "checkpoints", dataset, recipe, base)
        setup = Setup(recipe, base, dataset, place, watch, recipe.batch_size, 1, self.reward_url)
        with memory_kept():
            trainer = self._learnt(setup)
            if stop.is_set():
                raise TrainingFailed("training was stopped")
            draft = place / "adapter"
            trainer.model.save_pretrained(draft, save_embedding_layers=False)
            adapter, digest = keep(draft, self.folder)
        shutil.rmtree(place, ignore_errors=True)
        return Trained(
            adapter=adapter,
            digest=digest,
            seconds=time.monotonic() - began,
            steps=trainer.state.global_step,
            device=str(trainer.model.device),
            health=health_of(watch.log, recipe.beta),
            unservable=unservable(adapter, recipe.max_rank),
            log=tuple(watch.log),
        )

    def _learnt(self, setup: Setup) -> Any:
        """A trainer that has made all steps, with as many rows at once as the device has memory for."""
        while True:
            trainer = trainer_for(setup)
            try:
                with quiet():
                    trainer.train(resume_from_checkpoint=resumed(setup))
            except torch.OutOfMemoryError as error:
                smaller = halved(setup)
                if smaller is None:
                    raise TrainingFailed(f"training broke off: {reason(error)}") from error
                setup = smaller
                self.progress.advanced(0, 1, f"out of memory: on with {setup.batch} rows at once")
            except (RuntimeError, ValueError, OSError, MemoryError) as error:
                raise TrainingFailed(f"training broke off: {reason(error)}") from error
            else:
                return trainer
            del trainer
            give_back()


def trainer_for(setup: Setup) -> Any:
    """TRL's trainer for a setup, which hears nobody but its watch."""
    try:
        # TRL's own bar, over the reference's log-probabilities, can be switched off by the environment alone.
        with quiet(), redirect_stderr(StringIO()):
            trainer = METHODS[setup.recipe.method](setup)
    except (OSError, ValueError, RuntimeError) as error:
        raise TrainingFailed(f"{setup.base} cannot be trained: {reason(error)}") from error
    trainer.remove_callback(PrinterCallback)
    return trainer


def resumed(setup: Setup) -> str | None:
    """The checkpoint to go on from, told; None where training begins anew."""
    found = last_whole(setup.folder)
    if found is None:
        return None
    step = int(found.name.rpartition("-")[2])
    setup.watch.progress.advanced(step, step, f"goes on from the checkpoint of step {step}")
    return str(found)


def halved(setup: Setup) -> Setup | None:
    """The same training with half as many rows at once and twice as many turns; None where one row is too much."""
    if setup.batch % 2 or setup.recipe.method in ("grpo", "rloo"):
        return None
    return replace(setup, batch=setup.batch // 2, accumulated=setup.accumulated * 2)
