"""Trains by any method, in this process: goes on where a killed training stopped, and fits the memory."""

import asyncio
import logging
import pickle
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import PrinterCallback

from finetune.errors import TrainingFailed, reason
from finetune.pairs.dataset import Dataset
from finetune.progress import Progress
from finetune.train import dpo, kto, online, sft
from finetune.train.checkpoints import hold, last_whole, left_off, place_of
from finetune.train.contract import FEWEST_ROWS, ONLINE, Job, Recipe, Trained, job_of
from finetune.train.directory import keep, write_adapter, write_model
from finetune.train.dpo import rows_of
from finetune.train.memory import let_go, memory_kept
from finetune.train.probe import Probe, probe_of
from finetune.train.processes import by_the_first, count_of
from finetune.train.quiet import quiet
from finetune.train.servable import unservable
from finetune.train.setup import Setup
from finetune.train.watching import GAINS, MARGIN, Watch, health_of

log = logging.getLogger(__name__)
METHODS: Mapping[str, Callable[[Setup], Any]] = {
    "dpo": dpo.build,
    "sft": sft.build,
    "kto": kto.build,
    "grpo": online.build,
    "rloo": online.build,
}
# Beside what devices raise: safetensors' own of a full disk, pickle's of a checkpoint that is cut off, and a template's
# of a prompt that it has no shape for.
BROKEN = (
    RuntimeError,
    ValueError,
    OSError,
    MemoryError,
    ArithmeticError,
    EOFError,
    SafetensorError,
    pickle.PickleError,
    TemplateError,
)
# How torch's writers, whose errors have no type of their own, say that a file could not be written.
UNWRITTEN = ("PytorchStreamWriter", "inline_container", "iostream")


@dataclass(frozen=True, slots=True)
class LocalTrainer:
    """Trains in this process, into `folder`; `base` is used where the recipe names none."""

    base: str
    folder: Path
    progress: Progress
    reward_url: str | None = field(
        default=None, repr=False
    )  # that online methods ask; it may hold a password
    fewest: int = 0  # pairs that must be short enough to be learnt

    async def train(self, dataset: Dataset, recipe: Recipe, last: Path | None = None) -> Trained:
        """Learn a frozen dataset; cancelling stops training after the step it is in, and logs where it goes on."""
        job = job_of(dataset, recipe, self.base, self.folder, last, self.reward_url, fewest=self.fewest)
        stop = threading.Event()
        task = asyncio.create_task(asyncio.to_thread(learn, job, self.progress, stop))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)
            log.warning("%s", left_off(job))
            raise


def learn(job: Job, progress: Progress, stop: threading.Event) -> Trained:
    """Do a job, in this process and this thread; raises TrainingFailed, also when told to stop."""
    began, recipe = time.monotonic(), job.recipe
    let_go()
    gain, saves = GAINS.get(recipe.method, MARGIN), saved_at_stop(recipe)
    watch = Watch(stop, progress, gain=gain, alarm_nats=recipe.alarm_nats, saves=saves)
    place = place_of(job)
    rewarder = online.rewarder_of(job)
    with memory_kept(), ExitStack() as stack:
        by_the_first(recipe, lambda: held(stack, place, stop))
        trainer = learnt(Setup(job, place, watch, recipe.batch_size // count_of(recipe)))
        if stop.is_set():
            raise TrainingFailed("training was stopped")
        whole = state_of(trainer)
        version, digest = by_the_first(recipe, lambda: kept(trainer.model, whole, job, place / "draft"))
        by_the_first(recipe, lambda: shutil.rmtree(place, ignore_errors=True))
    return Trained(
        adapter=version,
        digest=digest,
        seconds=time.monotonic() - began,
        steps=trainer.state.global_step,
        device=str(trainer.model.device),
        health=health_of(watch.log, recipe.beta, recipe.method),
        unservable=unservable(version, recipe.max_rank, job.base if recipe.weights == "full" else ""),
        log=tuple(watch.log),
        weights=recipe.weights,
        method=recipe.method,
        rewarder=rewarder,
        left_out=watch.left_out,
    )


def saved_at_stop(recipe: Recipe) -> bool:
    """Whether a training that is told to stop leaves a checkpoint of its last step.

    Not of full weights, which take longer to write than whoever stops it may wait; and not of several processes,
    which hear of it in different steps.
    """
    return recipe.checkpoint_steps > 0 and recipe.weights == "lora" and count_of(recipe) == 1


def held(stack: ExitStack, place: Path, stop: threading.Event) -> None:
    """Hold the checkpoints' folder until the stack is closed."""
    stack.callback(hold(place, stop))


def state_of(trainer: Any) -> Any:
    """The trained weights, gathered where processes hold shards of them; None where each has them whole."""
    sharded = trainer.accelerator.distributed_type == DistributedType.FSDP
    return trainer.accelerator.get_state_dict(trainer.model_wrapped) if sharded else None


def kept(model: Any, state: Any, job: Job, draft: Path) -> tuple[Path, str]:
    """The trained model as an immutable directory, and its digest."""
    try:
        with quiet():
            if job.recipe.weights == "full":
                write_model(model, job.base, draft, state)
            else:
                write_adapter(model, draft, state)
        return keep(draft, job.folder)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise TrainingFailed(f"what was trained cannot be kept in {job.folder}: {reason(error)}") from error


def learnt(setup: Setup) -> Any:
    """A trainer that has made all steps, with as many rows at once as the device has memory for."""
    while True:
        try:
            return through(setup)
        except torch.OutOfMemoryError as error:
            smaller = shrunk(setup)
            if smaller is None:
                told = f"out of memory with {setup.batch} rows at once: {narrower(setup)}"
                raise TrainingFailed(f"training broke off: {told} ({reason(error)})") from error
        setup = smaller
        setup.watch.progress.advanced(0, 1, f"out of memory: on with {setup.batch} rows at once")
        let_go()  # once the error is gone, whose frames hold the trainer


def through(setup: Setup) -> Any:
    """A trainer that has made all steps; raises TrainingFailed, and torch.OutOfMemoryError."""
    trainer = trainer_for(setup)
    try:
        with quiet():
            trainer.train(resume_from_checkpoint=resumed(setup))
    except torch.OutOfMemoryError:
        raise
    except BROKEN as error:
        raise TrainingFailed(f"training broke off: {reason(error)}{unwritten(error, setup)}") from error
    return trainer


def trainer_for(setup: Setup) -> Any:
    """TRL's trainer for a setup, which hears nobody but its watch; raises TrainingFailed, torch.OutOfMemoryError."""
    try:
        # TRL's own bar, over the reference's log-probabilities, can be switched off by the environment alone.
        with quiet(), redirect_stderr(StringIO()):
            trainer = METHODS[setup.recipe.method](setup)
        trainer.remove_callback(PrinterCallback)
        setup.watch.rows = setup.batch
        setup.watch.probe = None if setup.recipe.method in ONLINE else probe_for(setup, trainer)
    except torch.OutOfMemoryError:
        raise
    except BROKEN as error:
        raise TrainingFailed(f"{setup.job.base} cannot be trained: {reason(error)}") from error
    return trainer


def unwritten(error: BaseException, setup: Setup) -> str:
    """What to do where it was a checkpoint that could not be written; nothing of other errors."""
    if not isinstance(error, OSError | SafetensorError) and not any(each in str(error) for each in UNWRITTEN):
        return ""
    room = f"; if its checkpoint could not be written, make room in {setup.folder}"
    return f"{room}: the same training goes on from the last whole one (recipe.checkpoint_steps)"


def probe_for(setup: Setup, trainer: Any) -> Probe | None:
    """A look at how far the policy goes from its reference, on the first answers that it is to learn."""
    rows = (row for row in rows_of(setup.dataset) if row.get("label") is not False)
    answers = [(row["prompt"], (row.get("chosen") or row["completion"])[0]["content"]) for row in rows]
    return probe_of(trainer.model, trainer.processing_class, answers, setup.recipe.max_length)


def resumed(setup: Setup) -> str | None:
    """The checkpoint to go on from, told; None where training begins anew."""
    found = last_whole(setup.folder)
    if found is None:
        return None
    step = int(found.name.rpartition("-")[2])
    setup.watch.progress.advanced(step, step, f"goes on from the checkpoint of step {step}")
    return str(found)


def shrunk(setup: Setup) -> Setup | None:
    """The same training with fewer rows at once and as many more turns; None where that cannot be.

    The turns divide a step's rows evenly, so that the step stays what it was; GRPO and RLOO sample all answers of a
    step together, whatever goes through the model at once. Of several processes one alone would be out of step.
    """
    if count_of(setup.recipe) > 1:
        return None
    step, fewest = setup.batch * setup.accumulated, FEWEST_ROWS.get(setup.recipe.method, 1)
    fits = [rows for rows in range(fewest, setup.batch) if step % rows == 0]
    return replace(setup, batch=fits[-1], accumulated=step // fits[-1]) if fits else None


def narrower(setup: Setup) -> str:
    """What to lower where fewer rows at once are not to be had."""
    if setup.recipe.method in ONLINE:
        return "lower recipe.batch_size, generations or max_completion, since a step's answers are sampled together"
    if count_of(setup.recipe) > 1:
        return "lower recipe.batch_size or recipe.max_length; several processes do not go on with fewer by themselves"
    return "lower recipe.max_length or recipe.rank, or train on a device with more memory"
