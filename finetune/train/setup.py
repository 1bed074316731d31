"""What every method of training starts from: the base model, a LoRA over it, and what of TRL's arguments is shared."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset
from finetune.train.contract import Recipe
from finetune.train.watching import Watch


@dataclass(frozen=True, slots=True)
class Setup:
    """One training about to begin; `batch` rows go through the model at once, `accumulated` times before a step."""

    recipe: Recipe
    base: str
    dataset: Dataset
    folder: Path  # for checkpoints
    watch: Watch
    batch: int
    accumulated: int = 1
    reward_url: str | None = None

    @property
    def cuda(self) -> bool:
        """Whether a CUDA device is there and wanted."""
        return self.recipe.device != "cpu" and torch.cuda.is_available()

    def loaded(self) -> tuple[Any, Any]:
        """The base model and its tokenizer; raises TrainingFailed where the device that was asked for is not there."""
        if self.recipe.device == "cuda" and not self.cuda:
            raise TrainingFailed("recipe.device is 'cuda', but there is no CUDA device here")
        dtype = torch.bfloat16 if self.cuda else torch.float32
        model = AutoModelForCausalLM.from_pretrained(self.base, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(self.base)
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        return model, tokenizer

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
