import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gateway.engines.pocket.adapters import check_adapter
from gateway.engines.pocket.errors import AdapterBroken, AdapterMissing

SHAPES = {"model.q_proj.weight": (8, 6), "lm_head.weight": (20, 6)}
A, B = "base_model.model.model.q_proj.lora_A.weight", "base_model.model.model.q_proj.lora_B.weight"
SOUND = {A: (4, 6), B: (8, 4)}


def write(folder: Path, tensors: dict[str, tuple[int, ...]] = SOUND, **config: Any) -> Path:
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4} | config))
    save_file(
        {name: np.zeros(shape, np.float32) for name, shape in tensors.items()},
        folder / "adapter_model.safetensors",
    )
    return folder


def check(folder: Path, *, tied: bool = False) -> None:
    check_adapter("mine", folder, SHAPES, tied=tied, max_rank=8)


def test_a_sound_adapter_passes(tmp_path: Path) -> None:
    check(write(tmp_path))


@pytest.mark.parametrize("lost", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_directory_without_an_adapter_is_missing(tmp_path: Path, lost: str) -> None:
    (write(tmp_path) / lost).unlink()
    with pytest.raises(AdapterMissing, match=f"Loading lora mine failed: No adapter found for {tmp_path}"):
        check(tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"r": 16}, "LoRA rank 16 is greater than max_lora_rank 8."),
        ({"rank_pattern": {"q_proj": 32}}, "LoRA rank 32 is greater than max_lora_rank 8."),
        ({"use_dora": True}, "does not yet support DoRA."),
        ({"modules_to_save": ["lm_head"]}, "only supports modules_to_save being"),
        ({"bias": "all"}, "bias"),
        ({"lora_bias": True}, "bias"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base weights"),
        ({"peft_type": "IA3"}, "must be LORA"),
        ({"r": "four"}, "must be an integer"),
    ],
)
def test_what_vllm_refuses_is_refused_in_its_words(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(AdapterBroken, match=said):
        check(write(tmp_path, **config))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({A: (4, 5), B: (8, 4)}, "does not fit the model's weight"),
        ({A: (4, 6), B: (9, 4)}, "does not fit the model's weight"),
        ({A: (4, 6), B: (8, 3)}, "do not fit together"),
        ({A: (9, 6), B: (8, 9)}, "exceed max_lora_rank"),
        ({A: (4, 6)}, "has no lora_B"),
        ({B: (8, 4)}, "has no lora_A"),
        ({A: (4, 6), B: (8, 4, 1)}, "dimensions|do not fit"),
        ({A.replace("model.q_proj", "model.z"): (4, 6)}, "is no layer of this model"),
        ({"base_model.model.lm_head.weight": (20, 6)}, "is no LoRA weight"),
        ({}, "holds no tensors"),
    ],
)
def test_tensors_that_fit_nowhere_are_named(
    tmp_path: Path, tensors: dict[str, tuple[int, ...]], said: str
) -> None:
    with pytest.raises(AdapterBroken, match=said):
        check(write(tmp_path, tensors))


def test_a_truncated_file_is_told_as_safetensors_tells_it(tmp_path: Path) -> None:
    file = write(tmp_path) / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(AdapterBroken, match="Error while deserializing header"):
        check(tmp_path)


def test_a_configuration_that_is_no_json_is_told(tmp_path: Path) -> None:
    (write(tmp_path) / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterBroken, match=r"adapter_config.json cannot be read"):
        check(tmp_path)


def test_an_output_layer_of_its_own_may_be_adapted_and_a_shared_one_not(tmp_path: Path) -> None:
    head = {
        "base_model.model.lm_head.lora_A.weight": (4, 6),
        "base_model.model.lm_head.lora_B.weight": (20, 4),
    }
    check(write(tmp_path, head))
    with pytest.raises(AdapterBroken, match="shares its weight"):
        check(tmp_path, tied=True)
