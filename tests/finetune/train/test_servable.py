"""What engines refuse."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from finetune.train.servable import CONFIG, WEIGHTS, faults_of, unservable

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


def written(path: Path, tensors: dict[str, tuple[str, bytes, list[int]]]) -> None:
    """A safetensors file by hand: numpy has not all of its types."""
    header, data = {}, b""
    for name, (dtype, content, shape) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told + data)


@pytest.mark.parametrize(
    ("number", "faults"), [(b"\x80\x3f", []), (b"\xc0\x7f", ["nan"]), (b"\x00\x00", ["zero"])]
)
def test_bfloat16_weights_are_looked_at_too(tmp_path: Path, number: bytes, faults: list[str]) -> None:
    adapter(tmp_path)
    halves = {f"{LAYER}.lora_A.weight": ("BF16", 4 * number, [2, 2])}
    written(tmp_path / WEIGHTS, halves | {f"{LAYER}.lora_B.weight": ("BF16", 4 * number, [2, 2])})
    assert list(faults_of(tmp_path, 16)) == faults


def test_weights_that_are_no_floats_are_named(tmp_path: Path) -> None:
    whole = {f"{LAYER}.lora_{half}.weight": np.ones((2, 2), np.int8) for half in "AB"}
    save_file(whole, adapter(tmp_path) / WEIGHTS)
    assert list(faults_of(tmp_path, 16)) == ["dtype"]


def test_an_adapter_of_another_base_is_named(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    save_file({"model.layers.0.self_attn.q_proj.weight": np.ones((4, 4))}, base / "model.safetensors")
    assert faults_of(adapter(tmp_path, base_model_name_or_path="x/base"), 16, str(base)) == {}
    other = adapter(tmp_path, {f"{LAYER}.lora_A.weight": np.ones((8, 6))}, base_model_name_or_path="x/other")
    assert list(faults_of(other, 16, str(base))) == ["base", "shapes"]
