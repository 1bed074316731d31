"""Small whole models as files; no framework is needed to write them."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

SHAPES = {"embed.weight": (16, 8), "layer.weight": (8, 8), "norm.weight": (8,)}


def make_model(folder: Path, seed: int = 0, **config) -> Path:
    """A model of three tensors in one file."""
    folder.mkdir(parents=True)
    told = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, **config}
    (folder / "config.json").write_text(json.dumps(told))
    (folder / "tokenizer.json").write_text("{}")
    drawn = np.random.default_rng(seed)
    weights = {name: drawn.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture
def base(tmp_path):
    return make_model(tmp_path / "base")


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model", seed=1)
