"""A version's directory, which never changes: named by the digest that the gateway knows versions by."""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer

from gateway.admin.weights.files import CONFIG, TOKENIZER
from gateway.artifacts.contents import digest_in, names_in

State = Mapping[str, Any]  # weights by name, where the model itself holds only shards of them


def write_adapter(model: Any, draft: Path, state: State | None = None) -> None:
    """Write what was trained of a LoRA; the frozen copy that it was held to stays out."""
    more = {} if state is None else {"state_dict": state}
    model.save_pretrained(draft, save_embedding_layers=False, selected_adapters=["default"], **more)
    in_order(draft / "adapter_config.json")


def in_order(config: Path) -> None:
    """Sort what peft holds as a set: the same training must be the same bytes, for they name the version."""
    told = json.loads(config.read_text())
    if isinstance(told.get("target_modules"), list):
        told["target_modules"].sort()
    config.write_text(json.dumps(told, indent=2, sort_keys=True))


def write_model(model: Any, base: str, draft: Path, state: State | None = None) -> None:
    """Write a whole model in the base's type of number, beside the base's own configuration and tokenizer."""
    dtype = getattr(AutoConfig.from_pretrained(base), "dtype", None) or torch.float32
    if state is None:
        model.to(dtype).save_pretrained(draft)
    else:
        model.save_pretrained(draft, state_dict={name: each.to(dtype) for name, each in state.items()})
    if not Path(base).is_dir():
        AutoTokenizer.from_pretrained(base).save_pretrained(draft)
        return
    for name in (CONFIG, *TOKENIZER):
        if (Path(base) / name).is_file():
            shutil.copyfile(Path(base) / name, draft / name)


def keep(draft: Path, folder: Path) -> tuple[Path, str]:
    """Move a finished version to `folder/DIGEST`, whole or not at all; one that is there already stays."""
    for extra in set(draft.iterdir()) - {draft / name for name in names_in(draft)}:
        shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
    digest = digest_in(draft)
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
