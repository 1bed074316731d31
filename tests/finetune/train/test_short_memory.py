"""Training on a device with too little memory for the batch: it goes on with fewer rows at once, or says what to do."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset
from finetune.train.contract import Job, Recipe, Trained
from finetune.train.setup import Setup
from finetune.train.trainer import LocalTrainer, shrunk
from finetune.train.watching import Watch
from tests.fakes.scorer import FakeScorer
from tests.finetune.train.test_methods import Told
from tests.rewardserve.test_app import served

RECIPE = Recipe(
    rank=4, learning_rate=1e-2, batch_size=12, max_length=64, device="cpu", generations=4, max_completion=4
)


class Cramped(Told):
    """Raises within the library's loop, as a device does with more rows at once than it has memory for."""

    def __init__(self, most: int, at: int = 12, when: str = "") -> None:
        super().__init__()
        self.most, self.at, self.when = most, at, when

    def advanced(self, done: int, total: int, told: str = "") -> None:
        super().advanced(done, total, told)
        if told.startswith("out of memory"):
            self.at = int(told.split()[-4])
        elif self.at > self.most and told.startswith(self.when):
            raise torch.OutOfMemoryError("CUDA out of memory.")


async def trained(progress: Told, policy: Path, dataset: Dataset, folder: Path, **recipe: Any) -> Trained:
    with served(FakeScorer()) as server:
        trainer = LocalTrainer(str(policy), folder / "adapters", progress, server.url)
        return await trainer.train(dataset, replace(RECIPE, **recipe))


def fallen(progress: Told) -> list[int]:
    return [int(said.split()[-4]) for said in progress.said if said.startswith("out of memory")]


@pytest.mark.parametrize(
    ("method", "rows", "turns"),
    [
        ("dpo", 20, [10, 5, 4, 2, 1]),
        ("dpo", 12, [6, 4, 3, 2, 1]),
        ("dpo", 7, [1]),
        ("kto", 12, [6, 4, 3, 2]),
        ("kto", 7, []),
        ("grpo", 8, [4, 2, 1]),
    ],
)
def test_rows_at_once_go_through_all_that_divide_the_step(
    method: Any, rows: int, turns: list[int], dataset: Dataset, tmp_path: Path
) -> None:
    job = Job(dataset, replace(RECIPE, method=method, batch_size=rows), "base", tmp_path)
    setup: Setup | None = Setup(job, tmp_path, Watch(threading.Event(), Told()), rows)
    found = []
    while setup is not None and (setup := shrunk(setup)) is not None:
        assert setup.batch * setup.accumulated == rows
        found.append(setup.batch)
    assert found == turns


@pytest.mark.slow
async def test_it_falls_back_as_the_reference_is_asked_already(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    cramped = Cramped(most=4, when="batches shown")
    made = await trained(cramped, tiny_policy, dataset, tmp_path)
    assert fallen(cramped) == [6, 4]
    assert made.steps == 4


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dpo", "sft", "kto", "grpo", "rloo"])
async def test_every_method_falls_back_in_a_step(
    method: str, tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    cramped = Cramped(most=2)
    made = await trained(cramped, tiny_policy, dataset, tmp_path, method=method, epochs=0.5)
    assert fallen(cramped) == [6, 4, 3, 2]
    assert made.health.finite
    assert [line.step for line in made.log] == list(range(1, made.steps + 1))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "told"), [("kto", "with 2 rows.*max_length"), ("grpo", "generations")])
async def test_where_fewer_rows_are_not_to_be_had_it_says_what_to_lower(
    method: str, told: str, tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailed, match=f"out of memory {told if method == 'kto' else '.*' + told}"):
        await trained(Cramped(most=0), tiny_policy, dataset, tmp_path, method=method, epochs=0.5)
