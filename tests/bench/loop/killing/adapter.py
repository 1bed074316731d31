"""An adapter of a few numbers, which no other trial has."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def small_adapter(folder: Path, nonce: int) -> Path:
    """Its directory, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": "base", "nonce": nonce}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    weights = {f"layer.lora_{side}.weight": np.full((2, 2), nonce, np.float32) for side in "AB"}
    save_file(weights, folder / "adapter_model.safetensors")
    return folder
