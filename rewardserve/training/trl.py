"""Trains a reward model with TRL's RewardTrainer, and measures it as the reward server will run it.

What TRL would do silently is done here aloud: texts are rendered and tokenized by the code that serves them, and pairs
that are too long are counted. Beside it `rewardserve/train.py` stays: the packaged model's build is that loop, batch
order and all, and its published figures are of it.
"""

import json
import math
import shutil
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForSequenceClassification, PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as hub_bars
from trl import RewardConfig, RewardTrainer

from rewardserve.errors import BadInput, ModelUnusable
from rewardserve.figures import Figure, share
from rewardserve.pairs import LabelledPair
from rewardserve.reporting.card import right
from rewardserve.scored_pairs import score_pairs
from rewardserve.scorer import Message, ModelSpec
from rewardserve.scorers.checkpoint import first_line, limit_of
from rewardserve.scorers.texts import Texts, load_tokenizer
from rewardserve.scorers.transformers import load
from rewardserve.training.recipe import Made, Recipe, TrainingFailed, card_of

Progress = Callable[[int, int, str], None]  # done, total, what to show beside it
CHECKPOINTS, FINGERPRINT = ".checkpoints", "fingerprint"


def train(
    pairs: Sequence[LabelledPair],
    recipe: Recipe,
    out: Path,
    progress: Progress = lambda *_: None,
    *,
    fresh: bool = False,
) -> Made:
    """Train into the folder; one that was interrupted goes on from its last checkpoint. Raises TrainingFailed."""
    began = time.monotonic()
    checkpoints = checkpoints_of(out, recipe.fingerprint(pairs), fresh=fresh)
    learnt, held = split(pairs, recipe.held_out)
    spec = ModelSpec(
        recipe.base, system_messages=recipe.system_messages, trust_remote_code=recipe.trust_remote_code
    )
    tokenizer = tokenizer_of(spec)
    rows = rows_of(learnt, Texts(tokenizer, spec), min(recipe.max_tokens, reads(spec, tokenizer)))
    watch = Watch(progress)
    with quiet():
        trainer = trainer_of(recipe, tokenizer, rows, checkpoints, watch)
        resumed = steps_done(checkpoints)
        learn(trainer, checkpoints)
        save(trainer, tokenizer, out)
    made = Made(
        folder=out,
        steps=trainer.state.global_step,
        seconds=time.monotonic() - began,
        device=str(trainer.model.device),
        trained_on=len(rows),
        too_long=len(learnt) - len(rows),
        resumed_at=resumed,
        held_out=measured(out, held, spec),
        log=watch.log,
    )
    (out / "training.json").write_text(json.dumps(made.told(recipe), indent=1) + "\n", "utf-8")
    (out / "MODEL_CARD.md").write_text(card_of(made, recipe), "utf-8")
    shutil.rmtree(checkpoints)
    return made


def checkpoints_of(out: Path, fingerprint: str, *, fresh: bool) -> Path:
    """The folder of this training's checkpoints; raises TrainingFailed where another's would be overwritten."""
    folder = out / CHECKPOINTS
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    mark = folder / FINGERPRINT
    if mark.exists() and mark.read_text() != fingerprint:
        raise TrainingFailed(
            f"{out} holds an unfinished training with another recipe or other pairs; give another folder, "
            "or --fresh to throw that one away"
        )
    if not folder.exists() and (out / "config.json").exists():
        raise TrainingFailed(f"{out} holds a model already; give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(fingerprint)
    return folder


def split(pairs: Sequence[LabelledPair], held_out: float) -> tuple[list[LabelledPair], list[LabelledPair]]:
    """Pairs to learn and pairs to measure on; all pairs of a conversation are on one side."""
    places = [zlib.crc32(repr(pair.messages).encode()) / 2**32 for pair in pairs]
    learnt = [pair for pair, place in zip(pairs, places, strict=True) if place >= held_out]
    held = [pair for pair, place in zip(pairs, places, strict=True) if place < held_out]
    if not learnt:
        raise TrainingFailed("no pairs are left to learn from")
    return learnt, held


def tokenizer_of(spec: ModelSpec) -> Any:
    """The base's tokenizer; raises TrainingFailed for one that cannot render a chat."""
    try:
        tokenizer = load_tokenizer(spec)
    except ModelUnusable as error:
        raise TrainingFailed(str(error)) from error
    if not tokenizer.chat_template:
        raise TrainingFailed(f"{spec.model} has no chat template, so there is no one way to show it a chat")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


def reads(spec: ModelSpec, tokenizer: Any) -> int:
    """The most tokens that the base reads; raises TrainingFailed where there is none."""
    try:
        config = AutoConfig.from_pretrained(spec.model, trust_remote_code=spec.trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingFailed(f"{spec.model} cannot be trained: {first_line(error)}") from error
    return limit_of(config.get_text_config(), tokenizer, None)


def rows_of(pairs: Sequence[LabelledPair], texts: Texts, max_tokens: int) -> Dataset:
    """Both sides of each pair in tokens, without pairs that are too long; raises TrainingFailed."""
    rows = []
    for pair in pairs:
        try:
            turns = [Message(**turn) for turn in pair.messages]
            chosen, rejected = texts.of(turns, [pair.chosen, pair.rejected], partial=False)
        except BadInput as error:
            raise TrainingFailed(f"pair {pair.id}: {error.message}") from error
        if max(chosen.tokens, rejected.tokens) <= max_tokens:
            rows.append({"chosen_ids": list(chosen.ids), "rejected_ids": list(rejected.ids)})
    if not rows:
        raise TrainingFailed(f"every pair has more than {max_tokens} tokens on one side")
    return Dataset.from_list(rows)


def trainer_of(recipe: Recipe, tokenizer: Any, rows: Dataset, checkpoints: Path, watch: "Watch") -> Any:
    """TRL's trainer, which tells nobody but `watch`."""
    cuda = recipe.device != "cpu" and torch.cuda.is_available()
    if recipe.device == "cuda" and not cuda:
        raise TrainingFailed("device is 'cuda', but there is no CUDA device here")
    torch.manual_seed(recipe.seed)  # the head is drawn at random
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            recipe.base,
            num_labels=1,
            id2label={0: "REWARD"},
            label2id={"REWARD": 0},
            # The weights that are trained need float32: a step of bfloat16 is often less than its precision.
            dtype=torch.bfloat16 if cuda and recipe.method == "lora" else torch.float32,
            trust_remote_code=recipe.trust_remote_code,
        )
        trainer = RewardTrainer(
            model=model,
            args=arguments(recipe, len(rows), checkpoints, cuda=cuda),
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=adapter_of(recipe),
            callbacks=[watch],
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise TrainingFailed(f"{recipe.base} cannot be trained: {first_line(error)}") from error
    trainer.remove_callback(PrinterCallback)
    return trainer


def adapter_of(recipe: Recipe) -> LoraConfig | None:
    """LoRA on every linear layer of the body; the head is new, and trained whole."""
    if recipe.method == "full":
        return None
    return LoraConfig(
        task_type="SEQ_CLS",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules="all-linear",
        modules_to_save=["score"],
    )


def arguments(recipe: Recipe, pairs: int, checkpoints: Path, *, cuda: bool) -> RewardConfig:
    """TRL's arguments; everything that could print or reach out is off."""
    steps = math.ceil(pairs / (recipe.batch_pairs * recipe.accumulate)) * recipe.epochs
    return RewardConfig(
        output_dir=str(checkpoints),
        learning_rate=recipe.learning_rate,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_pairs,
        gradient_accumulation_steps=recipe.accumulate,
        warmup_steps=int(recipe.warmup * steps),
        lr_scheduler_type="cosine",
        max_length=None,  # what is too long has been left out, and counted
        center_rewards_coefficient=recipe.centre,
        seed=recipe.seed,
        data_seed=recipe.seed,
        use_cpu=not cuda,
        bf16=cuda,
        gradient_checkpointing=cuda,
        logging_steps=max(1, int(steps // 100)),
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoint_steps,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
    )


def steps_done(checkpoints: Path) -> int:
    """At which step a training goes on; 0 at the start."""
    last = get_last_checkpoint(str(checkpoints))
    return int(Path(last).name.removeprefix("checkpoint-")) if last else 0


def learn(trainer: Any, checkpoints: Path) -> None:
    """All steps that are left; what breaks off, such as a device without memory, is told as ours."""
    try:
        trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)))
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        raise TrainingFailed(f"training broke off: {first_line(error)}") from error
    losses = [float(line["loss"]) for line in trainer.state.log_history if "loss" in line]
    if not losses or not all(map(math.isfinite, losses)):
        raise TrainingFailed("training broke off: the loss is not a number. A smaller learning rate may help")


def save(trainer: Any, tokenizer: Any, out: Path) -> None:
    """Model and tokenizer, the adapter merged, in bfloat16 as models are published."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    for path in out.glob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for its owner only, and others serve it


def measured(folder: Path, held: Sequence[LabelledPair], spec: ModelSpec) -> Figure | None:
    """Accuracy on held-out pairs through the reward server's own backend; None without any."""
    if not held:
        return None
    scorer = load(ModelSpec(str(folder), system_messages=spec.system_messages))
    scored = score_pairs(scorer, held).pairs
    return share(right(scored)) if scored else None


@dataclass
class Watch(TrainerCallback):
    """Tells progress and keeps the log."""

    progress: Progress
    log: list[dict[str, float]] = field(default_factory=list)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After each optimiser step."""
        last = self.log[-1] if self.log else None
        told = f"loss {last['loss']:.3f}, pairs right {last['accuracy']:.1%}" if last else ""
        self.progress(state.global_step, state.max_steps, told)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """After each line of the log; the summary at the end has no loss of its own."""
        if logs and "loss" in logs:
            names = {"loss": "loss", "accuracy": "accuracy", "margin": "margin", "rate": "learning_rate"}
            figures = {name: float(logs[key]) for name, key in names.items() if key in logs}
            self.log.append({"step": float(state.global_step), "accuracy": math.nan, **figures})


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no warnings of the libraries on the screen: progress is told by us."""
    disable_progress_bars()
    hub_bars.disable_progress_bar()
    loudness = hub_bars.get_verbosity()
    hub_bars.set_verbosity_error()  # that the head is new is what training is for
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hub_bars.set_verbosity(loudness)
