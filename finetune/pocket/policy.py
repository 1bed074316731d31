"""Trains the pocket policy: a small Llama that learns the corpus's unaligned mixture in one pass."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from finetune.pocket.corpus import Example
from finetune.pocket.muon import Muon
from finetune.pocket.tokenizer import CONTEXT, ROLES, VOCABULARY, learn

Progress = Callable[[int, int, str], None]  # done, total, what to show beside it
Row = tuple[list[int], list[float]]  # token ids, and the weight of predicting each

PROMPT_WEIGHT = 0.1  # a little of the prompt is learned too: it teaches the words that prompts are made of


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes and rates of the policy's training; the defaults make the shipped weights."""

    hidden: int = 256
    layers: int = 4
    heads: int = 8
    vocabulary: int = VOCABULARY
    batch_tokens: int = 3072
    rate: float = 4e-3  # of the matrices, which Muon moves
    plain_rate: float = 3e-3  # of embeddings and norms, which AdamW moves
    warmup: float = 0.03
    decay: float = 0.05
    drills: float = 0.03  # exercises in copying, as a share of the examples
    sharpness: float = 1.3  # the logits' last factor: temperature 1 then samples as 1/1.3 did before


SHIPPED = Recipe()
TINY = Recipe(hidden=64, layers=2, heads=2, vocabulary=1024, batch_tokens=1024, drills=0.0)


def train_policy(
    examples: Sequence[Example], out_dir: Path, *, seed: int, progress: Progress, recipe: Recipe = SHIPPED
) -> dict[str, float]:
    """Trains on the examples and writes model and tokenizer to the folder; returns the last losses."""
    tokenizer = learn((text for e in examples for text in (*texts(e),)), recipe.vocabulary)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(_config(tokenizer, recipe))
    rows = [encode(tokenizer, example) for example in examples]
    rows = [row for row in rows if len(row[0]) <= CONTEXT]
    drill = drills(tokenizer, int(len(rows) * recipe.drills), seed)
    batches = [*bucketed(drill, recipe.batch_tokens, seed), *bucketed(rows, recipe.batch_tokens, seed)]
    loss = _learn(model, batches, recipe, progress)
    with torch.no_grad():
        model.model.norm.weight.mul_(recipe.sharpness)
    _save(model, tokenizer, out_dir)
    return {"loss": loss, "steps": len(batches), "parameters": sum(p.numel() for p in model.parameters())}


def texts(example: Example) -> list[str]:
    """Everything in an example that has words."""
    return [*(message["content"] for message in example.messages), example.reply]


def encode(tokenizer: Any, example: Example) -> Row:
    """The rendered conversation's tokens; replies weigh 1, what leads to them a little."""
    messages = list(example.messages)
    prompt = _ids(tokenizer, messages, opens=True)
    whole = _ids(tokenizer, [*messages, {"role": "assistant", "content": example.reply}], opens=False)
    return whole, [PROMPT_WEIGHT] * len(prompt) + [1.0] * (len(whole) - len(prompt))


def drills(tokenizer: Any, size: int, seed: int) -> list[Row]:
    """Random tokens to say back. They come first: a model that can copy any token learns the rest faster."""
    rng = random.Random(f"{seed}/drills")
    user, assistant, end = tokenizer.convert_tokens_to_ids(["<|user|>", "<|assistant|>", tokenizer.eos_token])
    found: list[Row] = []
    for _ in range(size):
        said = [rng.randrange(len(ROLES) + 3, len(tokenizer)) for _ in range(rng.randint(2, 24))]
        ids = [tokenizer.bos_token_id, user, *said, end, assistant, *said, end]
        found.append((ids, [0.0] * (len(said) + 4) + [1.0] * (len(said) + 1)))
    return found


def bucketed(
    rows: Sequence[Row], batch_tokens: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of about equally long rows, padded right, in a random order."""
    rng = random.Random(seed)
    order = list(range(len(rows)))
    rng.shuffle(order)
    groups: list[list[int]] = []
    for start in range(0, len(order), 4096):  # sorting stays within a window, so that lengths mix over time
        window = sorted(order[start : start + 4096], key=lambda place: len(rows[place][0]))
        fresh = list(_filled(window, rows, batch_tokens))
        rng.shuffle(fresh)
        groups += fresh
    return (_padded([rows[place] for place in group]) for group in groups)


def _config(tokenizer: Any, recipe: Recipe) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.hidden * 8 // 3 // 32 * 32,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _learn(model: LlamaForCausalLM, batches: list[Any], recipe: Recipe, progress: Progress) -> float:
    optimizers = _optimizers(model, recipe)
    total, smooth, seen = len(batches), math.nan, 0
    model.train()
    for step, (ids, weights) in enumerate(batches):
        for optimizer, rate in optimizers:
            optimizer.param_groups[0]["lr"] = rate * pace(step, total, recipe.warmup)
        loss = _loss(model, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        smooth = loss.item() if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss.item()
        seen += ids.numel()
        progress(step + 1, total, f"loss {smooth:.3f}, {seen / 1e6:.2f} M tokens")
    return smooth


def _optimizers(
    model: LlamaForCausalLM, recipe: Recipe
) -> tuple[tuple[torch.optim.Optimizer, float], tuple[torch.optim.Optimizer, float]]:
    # After 450 steps Muon had a validation loss of 1.34 where AdamW alone had 2.02: it learns to copy sooner.
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    muon = Muon(matrices, lr=recipe.rate, weight_decay=recipe.decay)
    plain = torch.optim.AdamW(others, lr=recipe.plain_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    return (muon, recipe.rate), (plain, recipe.plain_rate)


def pace(step: int, total: int, warmup: float) -> float:
    """The share of the full learning rate at a step: a short rise, then half a cosine down to a fiftieth."""
    rise = max(1, int(total * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def _loss(model: LlamaForCausalLM, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    # Right padding under causal attention needs no mask: no real token ever looks at it.
    # Float32: where a processor has no instructions for bfloat16, autocast is thirty times slower, not faster.
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    kept = weights[:, 1:].flatten()
    return (each * kept).sum() / kept.sum()


def _filled(window: list[int], rows: Sequence[Row], batch_tokens: int) -> Iterator[list[int]]:
    group: list[int] = []
    for place in window:
        if group and (len(group) + 1) * len(rows[place][0]) > batch_tokens:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _padded(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    weights = torch.tensor([weights + [0.0] * (width - len(weights)) for _, weights in rows])
    return ids, weights


def _ids(tokenizer: Any, messages: list[dict[str, str]], *, opens: bool) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opens)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _save(model: LlamaForCausalLM, tokenizer: Any, out_dir: Path) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=1.0,
    )
    model.to(torch.bfloat16).save_pretrained(out_dir)
    tokenizer.save_pretrained(out_dir)
    for path in out_dir.iterdir():
        path.chmod(0o644)  # safetensors writes for its owner only, and packages are read by others
