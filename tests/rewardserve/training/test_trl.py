"""Reward training with TRL, on a tiny model with random weights and pairs that one word decides."""

import json
import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from finetune.pocket.tokenizer import learn  # noqa: E402
from rewardserve.pairs import LabelledPair  # noqa: E402
from rewardserve.reporting.card import right  # noqa: E402
from rewardserve.scored_pairs import score_pairs  # noqa: E402
from rewardserve.scorer import ModelSpec  # noqa: E402
from rewardserve.scorers.transformers import load  # noqa: E402
from rewardserve.training.recipe import Recipe, TrainingFailed  # noqa: E402
from rewardserve.training.trl import split, train  # noqa: E402

WORDS = ("red", "blue", "green", "tall", "small", "house", "garden", "river")


def rows(count: int, seed: int = 1) -> list[LabelledPair]:
    rng = random.Random(seed)

    def text(decisive: str) -> str:
        return " ".join((*rng.sample(WORDS, 3), decisive))

    return [
        LabelledPair(({"role": "user", "content": f"Describe {n}."},), text("kindly"), text("rudely"))
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    tokenizer = learn([f"{row.chosen} {row.rejected} Describe it." for row in rows(50)], 320)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def recipe(base: Path, **changes: object) -> Recipe:
    return Recipe(
        **{
            "base": str(base),
            "device": "cpu",
            "learning_rate": 2e-2,
            "batch_pairs": 16,
            "epochs": 3.0,
            "held_out": 0.1,
            **changes,
        }
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_learns_what_the_pairs_prefer_and_is_served_as_it_is(
    base: Path, tmp_path: Path, method: str
) -> None:
    made = train(rows(300), recipe(base, method=method), tmp_path / "out")
    fresh = score_pairs(load(ModelSpec(str(tmp_path / "out"))), rows(40, seed=9)).pairs
    assert right(fresh).mean() > 0.9
    assert made.held_out is not None
    assert made.held_out.value > 0.8
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert told["pairs"] == made.trained_on == 300 - made.held_out.values
    assert "held-out pairs" in (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert not (tmp_path / "out" / ".checkpoints").exists()


class Killed(Exception):
    """Stands for a kill between two steps."""


def test_an_interrupted_training_ends_as_if_it_had_not_been(base: Path, tmp_path: Path) -> None:
    wanted = recipe(base, checkpoint_steps=5, epochs=1.0, held_out=0.0)

    def killing(done: int, total: int, told: str) -> None:
        if done == 12:
            raise Killed

    with pytest.raises(Killed):
        train(rows(300), wanted, tmp_path / "broken", killing)
    resumed = train(rows(300), wanted, tmp_path / "broken")
    whole = train(rows(300), wanted, tmp_path / "whole")
    assert (resumed.resumed_at, whole.resumed_at, resumed.steps) == (10, 0, whole.steps)
    rewards = [
        [one.margin for one in score_pairs(load(ModelSpec(str(made.folder))), rows(9)).pairs]
        for made in (resumed, whole)
    ]
    assert rewards[0] == pytest.approx(rewards[1], abs=1e-3)


def test_another_training_is_not_taken_up_and_not_overwritten(base: Path, tmp_path: Path) -> None:
    def killing(done: int, total: int, told: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        train(rows(40), recipe(base), tmp_path, killing)
    with pytest.raises(TrainingFailed, match="another recipe or other pairs"):
        train(rows(40), recipe(base, seed=8), tmp_path)


def test_a_model_in_the_folder_is_not_overwritten(base: Path) -> None:
    with pytest.raises(TrainingFailed, match="holds a model already"):
        train(rows(40), recipe(base), base)


def test_pairs_that_are_too_long_are_counted(base: Path, tmp_path: Path) -> None:
    long = LabelledPair(rows(1)[0].messages, "red " * 300, "rudely")
    made = train([*rows(40), long], recipe(base, max_tokens=64, epochs=1.0, held_out=0.0), tmp_path / "out")
    assert (made.trained_on, made.too_long, made.held_out) == (40, 1, None)


def test_no_pair_is_learnt_that_the_base_cannot_read(base: Path, tmp_path: Path) -> None:
    long = LabelledPair(rows(1)[0].messages, "red " * 3000, "rudely")  # the base reads 2,048 tokens
    wanted = recipe(base, max_tokens=9000, epochs=1.0, held_out=0.0)
    assert train([*rows(40), long], wanted, tmp_path / "out").too_long == 1


def test_a_conversation_is_on_one_side(base: Path) -> None:
    twice = [*rows(200), *rows(200, seed=2)]
    learnt, held = split(twice, 0.2)
    assert not {str(pair.messages) for pair in learnt} & {str(pair.messages) for pair in held}
    assert 40 < len(held) < 120


def test_a_base_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="no tokenizer"):
        train(rows(40), recipe(tmp_path / "nowhere"), tmp_path / "out")


def test_the_command_trains_what_its_options_say(base: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from rewardserve.cli import app

    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "out"
    lines = [{"messages": r.messages, "chosen": r.chosen, "rejected": r.rejected} for r in rows(60)]
    pairs.write_text("\n".join(map(json.dumps, lines)))
    options = ["--rate", "0.01", "--batch", "16", "--rank", "4", "--device", "cpu", "--json"]
    done = CliRunner().invoke(
        app, ["train", "--pairs", str(pairs), "--base", str(base), "--out", str(out), *options]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["recipe"]
    assert (told["learning_rate"], told["batch_pairs"], told["rank"], told["alpha"]) == (0.01, 16, 4, 8)
    assert (out / "model.safetensors").exists()
