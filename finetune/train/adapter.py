"""An adapter directory that never changes: named by the digest that the gateway knows versions by."""

import os
import shutil
import uuid
from pathlib import Path

from finetune.train.servable import CONFIG, WEIGHTS
from gateway.artifacts.contents import digest_of


def keep(draft: Path, folder: Path) -> tuple[Path, str]:
    """Move a finished adapter to `folder/DIGEST`, whole or not at all; one that is there already stays."""
    for extra in set(draft.iterdir()) - {draft / CONFIG, draft / WEIGHTS}:
        shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
    digest = digest_of(draft)
    place = folder / digest
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f".{digest}.*"):  # by a worker that was killed while it copied
            shutil.rmtree(left)
        # Not named by the process: in a container its number is the same after a restart.
        staged = folder / f".{digest}.{uuid.uuid4().hex}"
        shutil.copytree(draft, staged)
        for each in (*staged.iterdir(), staged):
            synced(each)
        staged.rename(place)
        synced(folder)
    return place, digest


def synced(path: Path) -> None:
    """Wait until a file, or a folder's names, will outlive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
