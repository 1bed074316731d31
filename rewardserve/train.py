"""Trains a reward model from pairs by Bradley and Terry: chosen answers are to score above rejected ones.

Works on any Hugging Face model with a chat template; a causal model's body is taken and given a new head with
one logit. What is scored is the whole conversation as the template renders it, the end of the answer's turn
included. Beginnings of answers are learnt beside it: a decoder has read no further than each of its places, so one
pass holds the rewards of all beginnings, and those who cut bad answers off early can go by them.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.nn.functional import logsigmoid
from transformers import AutoModelForSequenceClassification, AutoTokenizer

Progress = Callable[[int, int, str], None]  # done, total, what to show beside it
Side = tuple[list[int], list[int]]  # the tokens with the chosen and with the rejected answer


class PreferencePair(Protocol):
    """A conversation and two answers to it, the better one first."""

    @property
    def messages(self) -> Sequence[dict[str, str]]:
        """The conversation up to the last user turn."""
        ...

    @property
    def chosen(self) -> str:
        """The better answer."""
        ...

    @property
    def rejected(self) -> str:
        """The worse answer."""
        ...


@dataclass(frozen=True, slots=True)
class RewardRecipe:
    """Rates and sizes of a reward model's training; the defaults suit a model of a few million parameters."""

    rate: float = 5e-4
    batch_pairs: int = 32
    epochs: int = 1
    warmup: float = 0.05
    centre: float = 0.01  # keeps the rewards of a prompt around zero, so that prompts can be compared
    max_tokens: int = 1024
    beginnings: float = 0.5  # how much telling beginnings apart weighs beside telling whole answers apart
    places: int = 4  # at which the beginnings of each pair end, at random


def train_reward(
    pairs: Sequence[PreferencePair],
    base: str | Path,
    out_dir: Path,
    *,
    seed: int,
    recipe: RewardRecipe | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Trains on the pairs, from `base`, and writes model and tokenizer to the folder; returns figures."""
    recipe = recipe or RewardRecipe()
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = reward_model(base, tokenizer)
    sides = [encode(tokenizer, pair, recipe.max_tokens) for pair in pairs]
    batches = [batch for epoch in range(recipe.epochs) for batch in batched(sides, recipe, seed + epoch)]
    figures = _learn(model, batches, recipe, progress or (lambda *_: None))
    out_dir.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(out_dir)
    tokenizer.save_pretrained(out_dir)
    for path in out_dir.iterdir():
        path.chmod(0o644)  # safetensors writes for its owner only, and packages are read by others
    return figures


def reward_model(base: str | Path, tokenizer: Any) -> Any:
    """The base's body under a head with one logit, which is the reward: raw, without an activation."""
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=1, id2label={0: "REWARD"}, label2id={"REWARD": 0}, dtype=torch.float32
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def encode(tokenizer: Any, pair: PreferencePair, max_tokens: int) -> Side:
    """Both answers in their conversation; a conversation that is too long loses its beginning."""
    chosen, rejected = (
        tokenizer(
            tokenizer.apply_chat_template(
                [*pair.messages, {"role": "assistant", "content": answer}], tokenize=False
            ),
            add_special_tokens=False,
        )["input_ids"][-max_tokens:]
        for answer in (pair.chosen, pair.rejected)
    )
    return chosen, rejected


def batched(sides: Sequence[Side], recipe: RewardRecipe, seed: int) -> Iterator[list[Side]]:
    """Batches of about equally long pairs in a random order."""
    rng = random.Random(seed)
    order = list(range(len(sides)))
    rng.shuffle(order)
    groups: list[list[int]] = []
    for start in range(0, len(order), 64 * recipe.batch_pairs):
        window = sorted(
            order[start : start + 64 * recipe.batch_pairs], key=lambda place: max(map(len, sides[place]))
        )
        groups += [window[at : at + recipe.batch_pairs] for at in range(0, len(window), recipe.batch_pairs)]
    rng.shuffle(groups)
    return ([sides[place] for place in group] for group in groups)


def _learn(
    model: Any, batches: list[list[Side]], recipe: RewardRecipe, progress: Progress
) -> dict[str, float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.01)
    total, loss_seen, right_seen = len(batches), 0.7, 0.5
    rise = max(1, int(total * recipe.warmup))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rise, max(0.02, (total - step) / max(1, total - rise)))
    )
    rng = random.Random(total)
    model.train()
    for step, batch in enumerate(batches):
        loss, right = _loss(model, batch, recipe, rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        loss_seen, right_seen = 0.97 * loss_seen + 0.03 * loss.item(), 0.97 * right_seen + 0.03 * right
        progress(step + 1, total, f"loss {loss_seen:.3f}, pairs right {right_seen:.1%}")
    return {"loss": loss_seen, "pairs_right": right_seen, "steps": total}


def _loss(
    model: Any, batch: list[Side], recipe: RewardRecipe, rng: random.Random
) -> tuple[torch.Tensor, float]:
    rows = [chosen for chosen, _ in batch] + [rejected for _, rejected in batch]
    width = max(map(len, rows))
    pad = model.config.pad_token_id
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=model.device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=model.device)
    # Processors without instructions for bfloat16 emulate it thirty times slower; every CUDA device has them.
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=model.device.type == "cuda"):
        hidden = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
        rewards = model.score(hidden)[:, :, 0].float()  # of every beginning
    chosen, rejected = at(rewards, [len(row) - 1 for row in rows]).chunk(2)
    loss = -logsigmoid(chosen - rejected).mean() + recipe.centre * (chosen + rejected).square().mean()
    if recipe.beginnings:
        loss = loss + recipe.beginnings * _loss_on_beginnings(rewards, batch, recipe, rng)
    return loss, (chosen > rejected).float().mean().item()


def _loss_on_beginnings(
    rewards: torch.Tensor, batch: list[Side], recipe: RewardRecipe, rng: random.Random
) -> torch.Tensor:
    """The same loss on beginnings of both answers, equally long, as they are when some are cut off."""
    losses = []
    for _ in range(recipe.places):
        places = [place_within(side, rng) for side in batch]
        chosen, rejected = at(rewards, places + places).chunk(2)
        losses.append(-logsigmoid(chosen - rejected).mean())
    return torch.stack(losses).mean()


def at(rewards: torch.Tensor, places: Sequence[int]) -> torch.Tensor:
    """One reward of each row."""
    return rewards[
        torch.arange(len(places), device=rewards.device), torch.tensor(places, device=rewards.device)
    ]


def place_within(side: Side, rng: random.Random) -> int:
    """A place in both answers at which they differ already, before either ends."""
    chosen, rejected = side
    shorter = min(len(chosen), len(rejected)) - 1
    differ = next((place for place in range(shorter) if chosen[place] != rejected[place]), shorter - 1)
    return rng.randrange(differ, max(differ + 1, shorter - 1))
