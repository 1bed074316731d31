"""What an engine would refuse about a version, found before it is asked: of an adapter vLLM's own list, and TRL's.

Each fault has a code, for the gate's reasons, and a sentence for people.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from finetune.train.whole import model_faults
from gateway.admin.weights.files import holds_model

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
# Initialisations that change the base weights: an engine that has the plain base would answer differently.
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "eva")
Shapes = Mapping[str, tuple[int, ...]]
NO_SHAPES: Shapes = {}


def unservable(version: Path, max_rank: int, base: str = "") -> tuple[str, ...]:
    """Every reason not to hand this adapter, or whole model, to an engine; none when it is sound."""
    return tuple(faults_of(version, max_rank, base).values())


def faults_of(version: Path, max_rank: int, base: str = "") -> dict[str, str]:
    """The same by code; with a base model also whether the version is one of its own."""
    return model_faults(version, base) if holds_model(version) else adapter_faults(version, max_rank, base)


def adapter_faults(adapter: Path, max_rank: int, base: str) -> dict[str, str]:
    """What is wrong with an adapter."""
    try:
        config = json.loads((adapter / CONFIG).read_text())
        kinds = dtypes_in(adapter / WEIGHTS)
        weights = tensors_in(adapter / WEIGHTS, kinds) if not dtype_faults(kinds) else {}
    except (OSError, ValueError, SafetensorError) as error:
        return {"unreadable": f"{adapter.name} is no LoRA adapter: {type(error).__name__}: {error}"}
    if not isinstance(config, dict):
        return {"unreadable": f"{adapter.name} is no LoRA adapter: {CONFIG} holds no object"}
    faults = config_faults(config, max_rank) | dtype_faults(kinds)
    if weights:
        faults |= weight_faults(weights)
    return faults | (base_faults(config, adapter / WEIGHTS, base) if base else {})


def config_faults(config: dict[str, Any], max_rank: int) -> dict[str, str]:
    """What is wrong with how the adapter is made."""
    rank = max([config.get("r", 0), *(config.get("rank_pattern") or {}).values()])
    start = str(config.get("init_lora_weights", True)).lower()
    found: dict[str, tuple[str, Any]] = {
        "dora": ("DoRA (use_dora) is not served", config.get("use_dora")),
        "bias": (
            f"bias is {config.get('bias')!r}, only 'none' is served",
            config.get("bias", "none") != "none",
        ),
        "lora_bias": ("lora_bias is not served", config.get("lora_bias")),
        "modules_to_save": (
            f"modules_to_save {config.get('modules_to_save')} are not served",
            config.get("modules_to_save"),
        ),
        "target_parameters": ("target_parameters are not served", config.get("target_parameters")),
        "rank": (f"rank {rank} is larger than the engine's {max_rank}", rank > max_rank),
        "init": (f"init_lora_weights {start!r} changes the base model", start.startswith(CHANGES_BASE)),
        "not_lora": ("it is no LoRA", config.get("peft_type") != "LORA"),
    }
    return {code: told for code, (told, wrong) in found.items() if wrong}


def weight_faults(weights: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the tensors themselves."""
    outside = [name for name in weights if "lora_A" not in name and "lora_B" not in name]
    embeddings = [name for name in weights if "lm_head" in name or "embed_tokens" in name]
    moved = any(each.any() for name, each in weights.items() if "lora_B" in name)
    finite = all(np.isfinite(each).all() for each in weights.values())
    found: dict[str, tuple[str, Any]] = {
        "tensors": (f"{len(outside)} tensors are not LoRA's, such as {outside[:1]}", outside),
        "embeddings": (f"LoRA on {embeddings[:1]} is not served alike everywhere", embeddings),
        "nan": ("a weight is not a finite number", not finite),
        "zero": ("it changes nothing: every B matrix is zero", not moved),
    }
    return {code: told for code, (told, wrong) in found.items() if wrong}


def dtype_faults(kinds: set[str]) -> dict[str, str]:
    """Weights of a type that no engine has for adapters."""
    odd = sorted(kinds - {"F16", "BF16", "F32", "F64"})
    return {"dtype": f"weights are stored as {', '.join(odd)}"} if odd else {}


def tensors_in(path: Path, kinds: set[str]) -> dict[str, Any]:
    """A file's tensors; numpy has no bfloat16, which is the upper half of a float32."""
    if "BF16" not in kinds:
        return load_file(path)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {name: floats(data[start:], told) for name, told in header.items() if name != "__metadata__"}


def floats(data: bytes, told: Mapping[str, Any]) -> Any:
    """One tensor of a file that holds bfloat16."""
    first, last = told["data_offsets"]
    if told["dtype"] != "BF16":
        return np.frombuffer(data[first:last], {"F16": np.float16, "F32": np.float32}[told["dtype"]])
    return (np.frombuffer(data[first:last], np.uint16).astype(np.uint32) << 16).view(np.float32)


def dtypes_in(path: Path) -> set[str]:
    """The types of a file's tensors, from its header."""
    with safe_open(path, framework="numpy") as tensors:
        return {str(tensors.get_slice(name).get_dtype()) for name in tensors.keys()}  # noqa: SIM118


def base_faults(config: Mapping[str, Any], weights: Path, base: str) -> dict[str, str]:
    """Whether the adapter names the base model, and fits its weights; a base that lies elsewhere is not looked into."""
    named, faults = str(config.get("base_model_name_or_path") or base), dict[str, str]()
    if Path(named).name != Path(base).name:
        faults["base"] = f"it was trained on {named}, and {base} is served"
    known = shapes_in(*sorted(Path(base).glob("*.safetensors"))) if Path(base).is_dir() else NO_SHAPES
    wrong = [name for name, shape in shapes_in(weights).items() if known and not fits(name, shape, known)]
    if wrong:
        faults["shapes"] = f"{len(wrong)} tensors do not fit the base model, such as {wrong[0]}"
    return faults


def fits(name: str, shape: tuple[int, ...], known: Shapes) -> bool:
    """Whether half of an update has the side of the base's weight that it belongs to."""
    module = re.sub(r"^base_model\.model\.|\.lora_[AB](\.\w+)?\.weight$|\.lora_[AB]\.weight$", "", name)
    weight = known.get(f"{module}.weight")
    if weight is None or len(shape) != 2:
        return False
    return shape[1] == weight[-1] if ".lora_A" in name else shape[0] == weight[0]


def shapes_in(*files: Path) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape, from the headers alone."""
    found: dict[str, tuple[int, ...]] = {}
    for path in files:
        with safe_open(path, framework="numpy") as tensors:
            found |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    return found
