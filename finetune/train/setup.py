"""What every method of training shares: the job, how many rows go at once, and most of TRL's arguments."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from finetune.pairs.dataset import Dataset
from finetune.train.contract import Job, Recipe
from finetune.train.watching import Watch


@dataclass(frozen=True, slots=True)
class Setup:
    """One training about to begin; `batch` rows go through the model at once, `accumulated` times before a step."""

    job: Job
    folder: Path  # for checkpoints
    watch: Watch
    batch: int
    accumulated: int = 1

    @property
    def recipe(self) -> Recipe:
        """How to train."""
        return self.job.recipe

    @property
    def dataset(self) -> Dataset:
        """What to learn."""
        return self.job.dataset

    @property
    def cuda(self) -> bool:
        """Whether a CUDA device is there and wanted."""
        return self.recipe.device != "cpu" and torch.cuda.is_available()

    def shared(self, steps: int) -> dict[str, Any]:
        """Arguments of every method; everything that could print or reach out is off."""
        recipe = self.recipe
        return {
            "output_dir": str(self.folder),
            "learning_rate": recipe.learning_rate,
            "num_train_epochs": recipe.epochs,
            "per_device_train_batch_size": self.batch,
            "gradient_accumulation_steps": self.accumulated,
            "warmup_steps": int(recipe.warmup * steps),
            "lr_scheduler_type": "cosine",
            "seed": recipe.seed,
            "data_seed": recipe.seed,
            "use_cpu": not self.cuda,
            "bf16": self.cuda,
            "gradient_checkpointing": self.cuda,
            "logging_steps": max(1, int(steps // 100)),
            "logging_nan_inf_filter": False,
            "save_strategy": "steps" if recipe.checkpoint_steps else "no",
            "save_steps": recipe.checkpoint_steps or 500,
            "save_total_limit": 2,
            "report_to": [],
            "disable_tqdm": True,
            "dataloader_pin_memory": self.cuda,
        }
