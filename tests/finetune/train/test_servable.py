"""What engines refuse."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from finetune.train.servable import CONFIG, WEIGHTS, unservable

SOUND = {"peft_type": "LORA", "r": 8, "bias": "none", "use_dora": False, "init_lora_weights": True}
LAYER = "base_model.model.model.layers.0.self_attn.q_proj"


def adapter(folder: Path, weights: dict[str, Any] | None = None, **config: Any) -> Path:
    (folder / CONFIG).write_text(json.dumps(SOUND | config))
    ones = {f"{LAYER}.lora_A.weight": np.ones((8, 4)), f"{LAYER}.lora_B.weight": np.ones((4, 8))}
    save_file(ones | (weights or {}), folder / WEIGHTS)
    return folder


def test_a_sound_adapter_has_no_problem(tmp_path: Path) -> None:
    assert unservable(adapter(tmp_path), 16) == ()


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "bias"),
        ({"lora_bias": True}, "lora_bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"target_parameters": ["experts"]}, "target_parameters"),
        ({"r": 32}, "rank 32"),
        ({"rank_pattern": {"q_proj": 64}}, "rank 64"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"peft_type": "IA3"}, "no LoRA"),
    ],
)
def test_what_engines_refuse_is_named(tmp_path: Path, config: dict[str, Any], word: str) -> None:
    (problem,) = unservable(adapter(tmp_path, **config), 16)
    assert word in problem


@pytest.mark.parametrize(
    ("weights", "word"),
    [
        ({"base_model.model.lm_head.lora_A.weight": np.ones((8, 4))}, "lm_head"),
        ({"base_model.model.norm.weight": np.ones(4)}, "not LoRA's"),
        ({f"{LAYER}.lora_A.weight": np.full((8, 4), np.nan)}, "finite"),
        ({f"{LAYER}.lora_B.weight": np.zeros((4, 8))}, "changes nothing"),
    ],
)
def test_tensors_that_do_harm_are_named(tmp_path: Path, weights: dict[str, Any], word: str) -> None:
    (problem,) = unservable(adapter(tmp_path, weights), 16)
    assert word in problem


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = adapter(tmp_path) / WEIGHTS
    path.write_bytes(path.read_bytes()[:50])
    assert "no LoRA adapter" in unservable(tmp_path, 16)[0]


def test_a_missing_adapter_is_named(tmp_path: Path) -> None:
    assert "no LoRA adapter" in unservable(tmp_path / "nowhere", 16)[0]
