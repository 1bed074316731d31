"""Where a training that is killed goes on: the last checkpoint that is whole."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open

from finetune.pairs.dataset import Dataset
from finetune.train.contract import Recipe

STATE, WEIGHTS = "trainer_state.json", "adapter_model.safetensors"
NEEDED = (STATE, WEIGHTS, "optimizer.pt", "scheduler.pt")


def place_of(folder: Path, dataset: Dataset, recipe: Recipe, base: str) -> Path:
    """The folder of one training's checkpoints: the same dataset, recipe and base go on with each other's."""
    told = json.dumps([dataset.sha256, asdict(recipe), base], sort_keys=True, default=str)
    return folder / hashlib.sha256(told.encode()).hexdigest()[:24]


def last_whole(folder: Path) -> Path | None:
    """The newest checkpoint whose files can all be read; None where there is none. A broken one is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for checkpoint in reversed(found):
        if is_whole(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def is_whole(checkpoint: Path) -> bool:
    """Whether a kill while it was written left it whole."""
    try:
        json.loads((checkpoint / STATE).read_text())
        with safe_open(checkpoint / WEIGHTS, "np") as weights:
            any(weights.keys())
    except (OSError, ValueError, SafetensorError):
        return False
    return all((checkpoint / name).stat().st_size > 0 for name in NEEDED if (checkpoint / name).exists())
