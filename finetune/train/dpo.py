"""Direct preference optimisation with TRL and LoRA.

The reference is the bare base model: the adapter starts at zero and the trainer switches it off to ask the
reference. Each training sees all pairs ever kept, so nothing drifts from adapter to adapter.
"""

import asyncio
import json
import math
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset as Rows
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from finetune.errors import TrainingFailed, reason
from finetune.pairs.dataset import Dataset
from finetune.pairs.pair import content_text
from finetune.progress import Progress
from finetune.train.adapter import keep
from finetune.train.contract import Logged, Recipe, Trained, TrainingHealth
from finetune.train.memory import give_back, memory_kept
from finetune.train.quiet import quiet
from finetune.train.servable import unservable

# Of the training log: the part that tells how training ended.
LAST = 0.2
COLUMNS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True, slots=True)
class DpoTrainer:
    """Trains adapters into `folder`; `base` is used where the recipe names none."""

    base: str
    folder: Path
    progress: Progress

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
        watch = Watch(stop, self.progress)
        with tempfile.TemporaryDirectory() as scratch, memory_kept():
            trainer = trainer_for(recipe, self.base, rows_of(dataset), Path(scratch), watch)
            self._learn(trainer)
            if stop.is_set():
                raise TrainingFailed("training was stopped")
            draft = Path(scratch) / "adapter"
            trainer.model.save_pretrained(draft, save_embedding_layers=False)
            adapter, digest = keep(draft, self.folder)
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

    def _learn(self, trainer: Any) -> None:
        """All steps; what breaks off, such as a device without memory left, is told as ours."""
        try:
            with quiet():
                trainer.train()
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            raise TrainingFailed(f"training broke off: {reason(error)}") from error


def rows_of(dataset: Dataset) -> Rows:
    """The dataset's pairs in TRL's columns."""
    lines = [json.loads(line) for line in dataset.path.read_bytes().splitlines()]
    if not lines:
        raise TrainingFailed(f"{dataset.path} holds no pairs")
    rows = [{column: line[column] for column in COLUMNS} | {"length": characters(line)} for line in lines]
    try:
        return Rows.from_list(rows)
    except (TypeError, ValueError) as error:
        raise TrainingFailed(
            f"{dataset.path} holds pairs that do not go together: {reason(error)}"
        ) from error


def characters(line: Mapping[str, Any]) -> int:
    """About how long a pair's rows are: pairs of a length are batched together, so that little is padding."""
    asked = sum(len(content_text(message.get("content"))) for message in line["prompt"])
    return asked + max(len(line[side][-1]["content"]) for side in ("chosen", "rejected"))


def trainer_for(recipe: Recipe, base: str, rows: Rows, scratch: Path, watch: "Watch") -> Any:
    """TRL's trainer for this recipe, which hears nobody but `watch`."""
    try:
        # TRL's own bar, over the reference's log-probabilities, can be switched off by the environment alone.
        with quiet(), redirect_stderr(StringIO()):
            return build(recipe, recipe.base or base, rows, scratch, watch)
    except (OSError, ValueError, RuntimeError) as error:
        raise TrainingFailed(f"{recipe.base or base} cannot be trained: {reason(error)}") from error


def build(recipe: Recipe, base: str, rows: Rows, scratch: Path, watch: "Watch") -> Any:
    """Load the base model and set TRL up."""
    cuda = recipe.device != "cpu" and torch.cuda.is_available()
    if recipe.device == "cuda" and not cuda:
        raise TrainingFailed("recipe.device is 'cuda', but there is no CUDA device here")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if cuda else torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    collator = DataCollatorForPreference(tokenizer.pad_token_id, max_length=recipe.max_length)
    trainer = DPOTrainer(
        model=model,
        args=arguments(recipe, len(rows), scratch, cuda=cuda),
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=Heeding(collator, watch, math.ceil(len(rows) / recipe.batch_size)),
        peft_config=adapter_config(recipe),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def adapter_config(recipe: Recipe) -> LoraConfig:
    """Plain LoRA on every linear layer but the head: what every engine serves."""
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )


def arguments(recipe: Recipe, pairs: int, scratch: Path, *, cuda: bool) -> DPOConfig:
    """TRL's arguments; everything that could write, print or reach out is off."""
    steps = math.ceil(pairs / recipe.batch_size) * recipe.epochs
    losses = {"sigmoid": 1.0} | ({"sft": recipe.sft_weight} if recipe.sft_weight else {})
    return DPOConfig(
        output_dir=str(scratch),
        learning_rate=recipe.learning_rate,
        beta=recipe.beta,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        max_length=recipe.max_length,
        loss_type=list(losses),
        loss_weights=list(losses.values()),
        label_smoothing=recipe.label_smoothing,
        warmup_steps=int(recipe.warmup * steps),
        lr_scheduler_type="cosine",
        seed=recipe.seed,
        data_seed=recipe.seed,
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,  # or it would lose the lengths
        precompute_ref_log_probs=True,  # the reference never changes: one look at each pair will do
        use_cpu=not cuda,
        bf16=cuda,
        gradient_checkpointing=cuda,
        logging_steps=max(1, int(steps // 100)),
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
    )


@dataclass
class Watch(TrainerCallback):
    """Tells progress, keeps the log, and stops training when asked to."""

    stop: threading.Event
    progress: Progress
    log: list[Logged] = field(default_factory=list)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After each optimiser step."""
        told = f"loss {self.log[-1].loss:.3f}, margin {self.log[-1].margin:+.2f}" if self.log else ""
        self.progress.advanced(state.global_step, state.max_steps, told)
        control.should_training_stop = control.should_training_stop or self.stop.is_set()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """After each line of the log; the summary at the end has no loss of its own."""
        if logs and "rewards/margins" in logs and "loss" in logs:
            names = ("loss", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected")
            figures = [float(logs[name]) for name in (*names, "rewards/chosen")]
            self.log.append(Logged(state.global_step, *figures))


@dataclass
class Heeding:
    """Puts batches together, unless training is to stop; the first look at each is the reference's."""

    collator: Any
    watch: Watch
    batches: int
    seen: int = 0

    def __call__(self, examples: list[Any]) -> Any:
        """A padded batch; raises TrainingFailed when training is to stop."""
        if self.watch.stop.is_set():
            raise TrainingFailed("training was stopped")
        self.seen += 1
        if self.seen <= self.batches:
            self.watch.progress.advanced(self.seen, self.batches, "batches shown to the reference")
        return self.collator(examples)


def health_of(log: Sequence[Logged], beta: float) -> TrainingHealth:
    """What the end of the log says; with no log, or with a loss that is no number, training is unsound."""
    finite = bool(log) and all(math.isfinite(line.loss) for line in log)
    if not finite:
        return TrainingHealth(finite=False, margin=0.0, accuracy=0.0, chosen_drift=0.0)
    last = log[-max(1, round(LAST * len(log))) :]
    return TrainingHealth(
        finite=True,
        margin=fmean(line.margin for line in last),
        accuracy=fmean(line.accuracy for line in last),
        chosen_drift=fmean(line.chosen_reward for line in last) / beta,
    )
