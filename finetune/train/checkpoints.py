"""Where a training that is killed goes on: the last checkpoint that is whole. One training at a time has its folder."""

import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open

from finetune.errors import TrainingFailed, reason
from finetune.train.contract import Job

STATE = "trainer_state.json"
NEEDED = (STATE, "optimizer.pt", "scheduler.pt")
HELD_SECONDS = 30.0  # processes whose worker was killed notice within 20 s, and stop


def place_of(job: Job) -> Path:
    """The folder of one training's checkpoints: the same data, recipe and start go on with each other's."""
    told = json.dumps(
        [job.dataset.sha256, asdict(job.recipe), job.base, job.start], sort_keys=True, default=str
    )
    folder = job.folder.parent / "checkpoints"
    return folder / hashlib.sha256(told.encode()).hexdigest()[:24]


def hold(place: Path, stop: threading.Event, patience: float = HELD_SECONDS) -> Callable[[], None]:
    """Have the folder for this training alone; what gives it back. A kill does so as well.

    Raises TrainingFailed where another training of the same holds it for longer than `patience` seconds.
    """
    path = place.with_suffix(".lock")
    since = time.monotonic()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while (handle := locked(path)) is None:
            if time.monotonic() - since >= patience:
                told = "another training of the same data by the same recipe holds it; wait for that one"
                raise TrainingFailed(f"{path}: {told}")
            if stop.wait(0.2):
                raise TrainingFailed("training was stopped")
    except OSError as error:
        raise TrainingFailed(f"{path} cannot be locked: {reason(error)}") from error
    return lambda: given_back(path, handle)


def locked(path: Path) -> int | None:
    """A locked file that is still there by its name; None where somebody else has it."""
    handle, mine = os.open(path, os.O_RDWR | os.O_CREAT, 0o600), False
    try:
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = path.stat().st_ino == os.fstat(handle).st_ino
    finally:
        if not mine:
            os.close(handle)
    return handle if mine else None


def given_back(path: Path, handle: int) -> None:
    """Unlocked, and gone."""
    with suppress(FileNotFoundError):
        path.unlink()
    fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)


def last_whole(folder: Path) -> Path | None:
    """The newest checkpoint whose files can all be read; None where there is none. A broken one is removed."""
    for checkpoint in newest_first(folder):
        if is_whole(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints of a folder, by their steps."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2]))


def left_off(job: Job) -> str:
    """Where the same training goes on after it was stopped, for people; nothing is removed, for others may be at it."""
    found = next(filter(is_whole, newest_first(place_of(job))), None)
    if found is None:
        return "training begins anew; all before it is kept"
    state = json.loads((found / STATE).read_text())
    return f"training goes on after step {state['global_step']} of {state['max_steps']}"


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
