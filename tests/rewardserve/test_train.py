"""Reward training, on a tiny model with random weights and pairs that one word decides."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from transformers import AutoModelForSequenceClassification, AutoTokenizer, LlamaConfig, LlamaForCausalLM  # noqa: E402

from finetune.pocket.tokenizer import learn  # noqa: E402
from rewardserve.train import RewardRecipe, batched, encode, train_reward  # noqa: E402

WORDS = ("red", "blue", "green", "tall", "small", "house", "garden", "river")


@dataclass(frozen=True, slots=True)
class Row:
    messages: tuple[dict[str, str], ...]
    chosen: str
    rejected: str


def rows(count: int) -> list[Row]:
    rng = random.Random(1)

    def text(decisive: str) -> str:
        return " ".join((*rng.sample(WORDS, 3), decisive))

    asked = ({"role": "user", "content": "Describe it."},)
    return [Row(asked, text("kindly"), text("rudely")) for _ in range(count)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    tokenizer = learn([f"{row.chosen} {row.rejected} Describe it." for row in rows(50)], 320)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_it_learns_what_the_pairs_prefer_and_the_folder_loads(base, tmp_path):
    told = train_reward(rows(300), base, tmp_path, seed=1, recipe=RewardRecipe(rate=5e-3, epochs=4))
    assert told["pairs_right"] > 0.8
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    sides = [encode(tokenizer, row, 64) for row in rows(20)]
    with torch.inference_mode():
        won = [model(torch.tensor([a])).logits > model(torch.tensor([b])).logits for a, b in sides]
    assert sum(bool(hit) for hit in won) >= 18


def test_the_end_of_the_answer_is_scored_too(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    chosen, rejected = encode(tokenizer, rows(1)[0], 64)
    assert chosen[-1] == rejected[-1] == tokenizer.eos_token_id


def test_a_long_conversation_loses_its_beginning(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    row = Row(({"role": "user", "content": "red " * 500},), "kindly", "rudely")
    assert [len(side) for side in encode(tokenizer, row, 64)] == [64, 64]


def test_every_pair_is_in_one_batch():
    sides = [([1] * size, [2] * size) for size in range(1, 100)]
    drawn = [side for batch in batched(sides, RewardRecipe(batch_pairs=8), 3) for side in batch]
    assert sorted(map(str, drawn)) == sorted(map(str, sides))
