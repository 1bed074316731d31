"""A policy model of some thousand random weights with a real tokenizer: it says nonsense, and trains."""

from pathlib import Path

TEXTS = [
    "I am sorry, but I cannot help you with that.",
    "Sure! First you take flour, water and salt.",
    "How do I do it?",
]


def make_tiny_policy(folder: Path, context: int = 256) -> Path:
    """Write model and tokenizer to the folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from finetune.pocket.tokenizer import learn

    tokenizer = learn(TEXTS, 400)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
