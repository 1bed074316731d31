"""An adapter directory that never changes: named by the digest that the gateway knows versions by."""

import os
import shutil
from pathlib import Path

from finetune.train.servable import CONFIG, WEIGHTS
from gateway.admin.adapters import digest_of


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
