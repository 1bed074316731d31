"""Where a training that is killed goes on: the last checkpoint that is whole."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open

from finetune.train.contract import Job

STATE = "trainer_state.json"
NEEDED = (STATE, "optimizer.pt", "scheduler.pt")


def place_of(job: Job) -> Path:
    """The folder of one training's checkpoints: the same data, recipe and start go on with each other's."""
    told = json.dumps(
        [job.dataset.sha256, asdict(job.recipe), job.base, job.start], sort_keys=True, default=str
    )
    folder = job.folder.parent / "checkpoints"
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
        shards = list(checkpoint.glob("*.safetensors"))
        for shard in shards:
            with safe_open(shard, "np") as weights:
                any(weights.keys())
    except (OSError, ValueError, SafetensorError):
        return False
    return bool(shards) and all(
        (checkpoint / name).stat().st_size > 0 for name in NEEDED if (checkpoint / name).exists()
    )
