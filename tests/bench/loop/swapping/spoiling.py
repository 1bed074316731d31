"""Ways in which full weights are bad."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.bench.loop.swapping.models import WEIGHTS


def truncate(path: Path) -> None:
    """Half of the file."""
    file = path / WEIGHTS
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def misshape(path: Path) -> None:
    """One matrix of another shape."""
    weights = load_file(path / WEIGHTS)
    name = next(name for name, each in weights.items() if each.ndim == 2)
    save_file(weights | {name: np.ascontiguousarray(weights[name][:, :-8])}, path / WEIGHTS)


def poison(path: Path) -> None:
    """One number that is none."""
    weights = load_file(path / WEIGHTS)
    name = next(name for name, each in weights.items() if each.ndim == 2)
    weights[name][3, 5] = np.nan
    save_file(weights, path / WEIGHTS)


def lose_shard(path: Path) -> None:
    """Two shards in the index, and one of them on the disk."""
    weights = load_file(path / WEIGHTS)
    placed = {name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(weights)}
    first = {name: each for name, each in weights.items() if placed[name].startswith("model-00001")}
    save_file(first, path / "model-00001-of-00002.safetensors")
    (path / WEIGHTS).unlink()
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))


def drop_tensor(path: Path) -> None:
    """One tensor less, which an engine only mentions in its log."""
    weights = load_file(path / WEIGHTS)
    weights.pop(next(name for name in weights if "o_proj" in name))
    save_file(weights, path / WEIGHTS)


BROKEN: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("truncated file", truncate),
    ("wrong shape", misshape),
    ("NaN", poison),
    ("missing shard", lose_shard),
    ("missing tensor", drop_tensor),
)
