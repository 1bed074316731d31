"""Adapters by the hundred: one made by PEFT, the others of its shapes with other random weights."""

import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.fakes.tiny_adapter import make_tiny_adapter

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def make_adapters(policy: Path, folder: Path, count: int) -> list[Path]:
    """So many directories, each an adapter that nobody else has."""
    first = make_tiny_adapter(policy, folder / "like", rank=4)
    like = load_file(first / WEIGHTS)
    made = []
    for number in range(count):
        path = folder / f"adapter-{number:03}"
        path.mkdir()
        shutil.copy(first / CONFIG, path / CONFIG)
        drawn = np.random.default_rng(number)
        weights = {
            name: (0.7 * drawn.standard_normal(each.shape)).astype(np.float32) for name, each in like.items()
        }
        save_file(weights, path / WEIGHTS, {"format": "pt"})
        made.append(path)
    return made
