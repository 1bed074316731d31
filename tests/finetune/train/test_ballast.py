"""Ballast: what training had no reason to change stays nearer to the base, and what it should learn it learns."""

import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import pytest
import torch

from finetune.errors import PolicyFailed, TrainingFailed
from finetune.exams.contract import Answer, ExamPlan
from finetune.pairs.dataset import Dataset, freeze, thaw
from finetune.progress import Silence
from finetune.train.ballast import Ballast, ordinary, sampled
from finetune.train.contract import Recipe, job_of
from finetune.train.divergence import divergence
from finetune.train.policy import LocalPolicy
from finetune.train.setup import Setup
from finetune.train.trainer import LocalTrainer, learn, trainer_for
from finetune.train.watching import GAINS, MARGIN, Watch
from tests.finetune.train.test_methods import Told

pytestmark = pytest.mark.slow  # seconds each: it trains

RECIPE = Recipe(rank=4, alpha=8, learning_rate=1e-2, epochs=2, batch_size=8, max_length=64, device="cpu")


@pytest.fixture
def trainer(tiny_policy: Path, tmp_path: Path) -> LocalTrainer:
    return LocalTrainer(str(tiny_policy), tmp_path / "adapters", Silence())


@pytest.fixture
def mixed(dataset: Dataset, tmp_path: Path) -> Dataset:
    """Half of the prompts are harmless, and so are their pairs."""
    pairs = [replace(p, kind="helpfulness" if i % 2 else "safety") for i, p in enumerate(thaw(dataset.path))]
    return freeze(pairs, tmp_path / "mixed", {})


def left_base(trainer: LocalTrainer, adapter: Path, dataset: Dataset) -> float:
    """Nats per token from the base, on what it says to the dataset's own prompts."""
    asked = [json.loads(line)["prompt"] for line in dataset.path.read_text().splitlines()[:16]]
    nats = divergence(trainer.base, adapter, asked, ExamPlan(samples=1, max_tokens=16, seed=3))
    return fmean(each for one in nats for each in one)


@pytest.mark.parametrize("method", ["dpo", "sft", "kto"])
async def test_it_keeps_the_policy_near_its_base(
    trainer: LocalTrainer, mixed: Dataset, method: Literal["dpo", "sft", "kto"]
) -> None:
    plain = await trainer.train(mixed, replace(RECIPE, method=method))
    held = await trainer.train(mixed, replace(RECIPE, method=method, ballast=100.0))
    assert left_base(trainer, held.adapter, mixed) < 0.6 * left_base(trainer, plain.adapter, mixed)


async def test_what_pairs_teach_is_learnt_all_the_same(trainer: LocalTrainer, mixed: Dataset) -> None:
    trained = await trainer.train(mixed, replace(RECIPE, ballast=1.0))
    assert trained.health.accuracy > 0.9


async def test_harmful_prompts_are_none(trainer: LocalTrainer, dataset: Dataset, tmp_path: Path) -> None:
    pairs = [replace(pair, kind="safety") for pair in thaw(dataset.path)]
    harmful = freeze(pairs, tmp_path / "harmful", {})
    plain = await trainer.train(harmful, RECIPE)
    assert (await trainer.train(harmful, replace(RECIPE, ballast=100.0))).digest == plain.digest


async def test_the_same_seed_gives_the_same_adapter(trainer: LocalTrainer, mixed: Dataset) -> None:
    recipe = replace(RECIPE, epochs=1, ballast=1.0)
    assert (await trainer.train(mixed, recipe)).digest == (await trainer.train(mixed, recipe)).digest


class Known(Ballast):
    """It costs one, whatever was said."""

    def cost(self, model: Any, bare: Any) -> Any:
        return torch.ones(())


@pytest.mark.parametrize("method", ["dpo", "sft"])
def test_turns_of_a_step_pay_once(
    tiny_policy: Path, mixed: Dataset, tmp_path: Path, method: Literal["dpo", "sft"]
) -> None:
    recipe = replace(RECIPE, method=method, ballast=1.0, epochs=0.5, learning_rate=1e-9)
    job = job_of(mixed, recipe, str(tiny_policy), tmp_path, None, None)
    losses = []
    for rows in ([], [([1], [2])]):  # without any, nothing is paid
        watch = Watch(threading.Event(), Silence(), gain=GAINS.get(method, MARGIN))
        trainer = trainer_for(Setup(job, tmp_path / "place", watch, batch=2, accumulated=4))
        trainer.ballast = Known(rows, 1.0, 1, 0, random.Random(0))
        trainer.train()
        losses.append(watch.log[-1].loss)
    assert losses[1] - losses[0] == pytest.approx(1.0, abs=0.01)


async def test_sampling_what_the_base_says_stops_when_told_to(
    tiny_policy: Path, mixed: Dataset, tmp_path: Path
) -> None:
    stop = threading.Event()

    class Impatient(Silence):
        def advanced(self, done: int, total: int, told: str = "") -> None:
            if told.startswith("ballast"):
                sampled.append(done)
                stop.set()

    sampled: list[int] = []
    job = job_of(mixed, replace(RECIPE, ballast=1.0), str(tiny_policy), tmp_path / "adapters", None, None)
    with pytest.raises(TrainingFailed, match="stopped"):
        learn(job, Impatient(), stop)
    assert len(sampled) == 1


class Cramped(LocalPolicy):
    """It has memory for three conversations at once, and repeats what it is asked."""

    def sample(self, conversations: Any, plan: ExamPlan, seed: int) -> list[list[Answer]]:
        if len(conversations) > 3:
            raise PolicyFailed("the policy cannot be asked") from torch.OutOfMemoryError("CUDA out of memory")
        return [[Answer(asked[-1]["content"], ended=True)] for asked in conversations]


def test_the_base_is_asked_fewer_prompts_at_once_where_memory_is_short() -> None:
    asked = [[{"role": "user", "content": str(number)}] for number in range(16)]
    said = sampled(Cramped(None, None), asked, ExamPlan(samples=1), 7)
    assert [answer.text for (answer,) in said] == [str(number) for number in range(16)]


def test_another_failure_of_the_base_is_not_tried_again() -> None:
    class Broken(LocalPolicy):
        def sample(self, conversations: Any, plan: ExamPlan, seed: int) -> list[list[Answer]]:
            raise PolicyFailed(f"asked {len(conversations)}")

    with pytest.raises(PolicyFailed, match="asked 2"):
        sampled(Broken(None, None), [[], []], ExamPlan(samples=1), 7)


def test_rows_that_do_not_say_their_kind_hold_too(dataset: Dataset, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in dataset.path.read_text().splitlines()]
    mine = tmp_path / "mine.jsonl"
    kinds = [{"kind": "safety"}, {"kind": "helpfulness"}, {}]
    mine.write_text(
        "".join(json.dumps({"prompt": line["prompt"]} | kinds[i % 3]) + "\n" for i, line in enumerate(lines))
    )
    job = job_of(replace(dataset, path=mine), RECIPE, "base", tmp_path, None, None)
    asked = ordinary(Setup(job, tmp_path, Watch(threading.Event(), Silence()), 8))
    assert asked == [line["prompt"] for i, line in enumerate(lines) if i % 3]


async def test_that_nothing_holds_is_told(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    told = Told()
    trainer = LocalTrainer(str(tiny_policy), tmp_path / "adapters", told)
    await trainer.train(dataset, replace(RECIPE, epochs=0.2, ballast=1.0))
    assert "ballast holds nothing: every prompt of the data is of kind safety" in told.said
