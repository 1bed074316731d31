"""A LoRA adapter of random weights, large enough to change what a tiny policy says."""

from pathlib import Path
from typing import Any


def make_tiny_adapter(policy: Path, folder: Path, *, seed: int = 1, rank: int = 4, **changes: Any) -> Path:
    """Write an adapter of `policy` to the folder, as PEFT writes it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["q_proj", "v_proj", "o_proj"], **changes)
    model = get_peft_model(base, config)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = 0.7 * torch.randn(weight.shape, generator=generator)
    model.save_pretrained(folder)
    return folder
