"""Models and adapters by the hundred: made once, then of the same shapes with other random weights.

Weights are large, so that the greedy token stands well apart from the next one: arithmetic that depends on who shares
a batch then changes no answer, and a fingerprint means something.
"""

import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.bench.loop.swapping.stack import CONTEXT
from tests.fakes.tiny_adapter import make_tiny_adapter
from tests.fakes.tiny_policy import make_tiny_policy

CONFIG, ADAPTER, WEIGHTS = "adapter_config.json", "adapter_model.safetensors", "model.safetensors"
SPREAD = 0.7  # standard deviation of an adapter's numbers
MATRICES, EMBEDDINGS = 0.3, 2.0  # and of a model's, whose own are 0.02


def make_base(folder: Path) -> Path:
    """The tiny policy with a tokenizer of its own."""
    return redrawn(make_tiny_policy(folder, CONTEXT), seed=5)


def make_models(base: Path, folder: Path, count: int) -> list[Path]:
    """Full weights of the base's shapes."""
    made = [folder / f"weights-{number}" for number in range(count)]
    for number, path in enumerate(made):
        shutil.copytree(base, path)
        redrawn(path, seed=100 + number)
    return made


def redrawn(folder: Path, seed: int) -> Path:
    """Other numbers in a model's matrices; its norms stay."""
    drawn = np.random.default_rng(seed)
    weights = load_file(folder / WEIGHTS)
    for name, each in weights.items():
        if each.ndim == 2:
            spread = EMBEDDINGS if "embed" in name else MATRICES
            weights[name] = (spread * drawn.standard_normal(each.shape)).astype(each.dtype)
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    return folder


def make_adapters(base: Path, folder: Path, count: int) -> list[Path]:
    """So many directories, each an adapter that nobody else has."""
    first = make_tiny_adapter(base, folder / "like", rank=4)
    like = load_file(first / ADAPTER)
    made = [folder / f"adapter-{number:03}" for number in range(count)]
    for number, path in enumerate(made):
        path.mkdir()
        shutil.copy(first / CONFIG, path / CONFIG)
        drawn = np.random.default_rng(number)
        weights = {
            name: (SPREAD * drawn.standard_normal(each.shape)).astype(np.float32)
            for name, each in like.items()
        }
        save_file(weights, path / ADAPTER, {"format": "pt"})
    return made
