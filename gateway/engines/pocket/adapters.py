"""What must hold of a LoRA adapter's files before any weights are touched.

The refusals are vLLM's, with its wording, so that an adapter that loads here loads there.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gateway.engines.pocket.errors import AdapterBroken, AdapterMissing

Shape = tuple[int, ...]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TENSOR = re.compile(
    r"^base_model\.model\.(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<half>[AB])(\.weight)?$"
)
# Initialisations that change the base weights too, so that the adapter alone does not say what was trained.
NOT_ON_THIS_BASE = ("pissa", "olora", "corda", "loftq", "eva")


def check_adapter(name: str, path: Path, shapes: Mapping[str, Shape], *, tied: bool, max_rank: int) -> None:
    """Raise unless the directory holds a LoRA adapter whose every tensor fits a weight of this model."""
    if not (path / CONFIG).is_file() or not (path / WEIGHTS).is_file():
        raise AdapterMissing(f"Loading lora {name} failed: No adapter found for {path}", param="lora_path")
    config = read_config(path / CONFIG)
    check_config(config, max_rank)
    check_tensors(read_shapes(path / WEIGHTS), shapes, tied=tied, max_rank=max_rank)


def read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise AdapterBroken(f"{CONFIG} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise AdapterBroken(f"{CONFIG} must be a JSON object")
    return config


def check_config(config: Mapping[str, Any], max_rank: int) -> None:
    """Raise if the adapter asks for more than low-rank updates of existing weights."""
    if config.get("peft_type", "LORA") != "LORA":
        raise AdapterBroken(f"peft_type must be LORA, not {config['peft_type']}.")
    if not isinstance(config.get("r"), int) or not isinstance(config.get("rank_pattern") or {}, dict):
        raise AdapterBroken("r must be an integer and rank_pattern a mapping.")
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    if rank > max_rank:
        raise AdapterBroken(f"LoRA rank {rank} is greater than max_lora_rank {max_rank}.")
    if config.get("modules_to_save"):
        raise AdapterBroken("The engine, like vLLM, only supports modules_to_save being None.")
    if config.get("use_dora"):
        raise AdapterBroken("The engine, like vLLM, does not yet support DoRA.")
    if config.get("bias", "none") != "none" or config.get("lora_bias"):
        raise AdapterBroken("Adapter bias is not supported; train with bias='none' and lora_bias=False.")
    if str(config.get("init_lora_weights", True)).lower().startswith(NOT_ON_THIS_BASE):
        raise AdapterBroken(f"init_lora_weights={config['init_lora_weights']!r} changes the base weights.")


def read_shapes(file: Path) -> dict[str, Shape]:
    """Every tensor's shape, from the header alone."""
    try:
        with safe_open(file, framework="numpy") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise AdapterBroken(str(error)) from error


def check_tensors(
    found: Mapping[str, Shape], shapes: Mapping[str, Shape], *, tied: bool, max_rank: int
) -> None:
    """Raise unless they come in pairs A [rank, in] and B [out, rank] for weights [out, in] of the model."""
    if not found:
        raise AdapterBroken(f"{WEIGHTS} holds no tensors")
    for name, shape in found.items():
        match = TENSOR.match(name)
        if match is None:
            raise AdapterBroken(f"{name} is no LoRA weight; only lora_A and lora_B are understood")
        if match["half"] == "A":
            check_pair(match, found, shapes, max_rank)
        elif name.replace("lora_B", "lora_A").replace("lora_embedding_B", "lora_embedding_A") not in found:
            raise AdapterBroken(f"{name} has no lora_A beside it")
        if tied and re.search(r"(^|\.)(lm_head|embed_tokens|wte)$", match["module"]):
            raise AdapterBroken(
                f"{match['module']} shares its weight with another layer; leave it out of target_modules"
            )
        if len(shape) != 2:
            raise AdapterBroken(f"{name} must have two dimensions, not {len(shape)}")


def check_pair(
    a: re.Match[str], found: Mapping[str, Shape], shapes: Mapping[str, Shape], max_rank: int
) -> None:
    down, name = found[a.string], a.string
    up = found.get(name.replace("lora_A", "lora_B").replace("lora_embedding_A", "lora_embedding_B"))
    weight = shapes.get(f"{a['module']}.weight")
    if weight is None:
        raise AdapterBroken(
            f"{a['module']} is no layer of this model; was the adapter trained on another base?"
        )
    if up is None:
        raise AdapterBroken(f"{name} has no lora_B beside it")
    if len(down) != 2 or len(up) != 2 or down[0] != up[1] or down[0] > max_rank:
        raise AdapterBroken(
            f"{name}: ranks {down} and {up} do not fit together or exceed max_lora_rank {max_rank}."
        )
    # An embedding's weight, and a Conv1D's, is stored as [in, out].
    if sorted((up[0], down[1])) != sorted(weight):
        raise AdapterBroken(
            f"{name}: an update of {up[0]} by {down[1]} does not fit the model's weight {weight}"
        )
