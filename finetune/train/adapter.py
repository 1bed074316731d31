"""An adapter directory that never changes: named by the SHA-256 of what is in it."""

import hashlib
import os
import shutil
from pathlib import Path

from finetune.train.servable import CONFIG, WEIGHTS


def digest_of(adapter: Path) -> str:
    """SHA-256 over the adapter's configuration and weights, each with its name and size."""
    whole = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        data = (adapter / name).read_bytes()
        whole.update(f"{name}:{len(data)}\n".encode())
        whole.update(data)
    return whole.hexdigest()


def keep(draft: Path, folder: Path) -> tuple[Path, str]:
    """Move a finished adapter to `folder/DIGEST`, whole or not at all; one that is there already stays."""
    for extra in set(draft.iterdir()) - {draft / CONFIG, draft / WEIGHTS}:
        shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
    digest = digest_of(draft)
    place = folder / digest
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        staged = folder / f".{digest}.{os.getpid()}"
        shutil.copytree(draft, staged)
        staged.rename(place)
    return place, digest
