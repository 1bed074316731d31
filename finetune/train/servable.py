"""What an engine would refuse about an adapter, found before it is asked: vLLM's own list, and TRL's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
# Initialisations that change the base weights: an engine that has the plain base would answer differently.
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "eva")


def unservable(adapter: Path, max_rank: int) -> tuple[str, ...]:
    """Every reason not to hand this adapter to an engine; none when it is sound."""
    try:
        config = json.loads((adapter / CONFIG).read_text())
        weights = load_file(adapter / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        return (f"{adapter.name} is no LoRA adapter: {type(error).__name__}: {error}",)
    return (*config_problems(config, max_rank), *weight_problems(weights))


def config_problems(config: dict[str, Any], max_rank: int) -> tuple[str, ...]:
    """What is wrong with how the adapter is made."""
    rank = max([config.get("r", 0), *(config.get("rank_pattern") or {}).values()])
    start = str(config.get("init_lora_weights", True)).lower()
    problems = {
        "DoRA (use_dora) is not served": config.get("use_dora"),
        f"bias is {config.get('bias')!r}, only 'none' is served": config.get("bias", "none") != "none",
        "lora_bias is not served": config.get("lora_bias"),
        f"modules_to_save {config.get('modules_to_save')} are not served": config.get("modules_to_save"),
        "target_parameters are not served": config.get("target_parameters"),
        f"rank {rank} is larger than the engine's {max_rank}": rank > max_rank,
        f"init_lora_weights {start!r} changes the base model": start.startswith(CHANGES_BASE),
        "it is no LoRA": config.get("peft_type") != "LORA",
    }
    return tuple(problem for problem, found in problems.items() if found)


def weight_problems(weights: dict[str, Any]) -> tuple[str, ...]:
    """What is wrong with the tensors themselves."""
    outside = [name for name in weights if "lora_A" not in name and "lora_B" not in name]
    embeddings = [name for name in weights if "lm_head" in name or "embed_tokens" in name]
    problems = {
        f"{len(outside)} tensors are not LoRA's, such as {outside[:1]}": outside,
        f"LoRA on {embeddings[:1]} is not served alike everywhere": embeddings,
        "a weight is not a finite number": not all(np.isfinite(each).all() for each in weights.values()),
        "it changes nothing: every B matrix is zero": not any(
            each.any() for name, each in weights.items() if "lora_B" in name
        ),
    }
    return tuple(problem for problem, found in problems.items() if found)
