"""What a training starts from: the bare base model, or the version that is live."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset
from finetune.progress import Silence
from finetune.train.contract import Recipe, Trained
from finetune.train.divergence import divergence
from finetune.train.trainer import LocalTrainer
from tests.finetune.train.test_dpo import RECIPE
from tests.finetune.train.test_full import ASKED, FULL, PLAN

pytestmark = pytest.mark.slow  # trains

LAST = replace(RECIPE, anchor="last")


class Training:
    """Trains one version after another on the same data."""

    def __init__(self, policy: Path, folder: Path, dataset: Dataset) -> None:
        self.policy, self.dataset = policy, dataset
        self.trainer = LocalTrainer(str(policy), folder / "versions", Silence())

    async def __call__(self, recipe: Recipe, last: Path | None = None) -> Trained:
        return await self.trainer.train(self.dataset, recipe, last)

    def nats(self, version: Path) -> float:
        return sum(divergence(str(self.policy), version, ASKED, PLAN)[0])


@pytest.fixture
def training(tiny_policy: Path, tmp_path: Path, dataset: Dataset) -> Training:
    return Training(tiny_policy, tmp_path, dataset)


async def test_from_the_base_the_live_version_does_not_matter(training: Training) -> None:
    first = await training(RECIPE)
    assert (await training(RECIPE, first.adapter)).digest == first.digest


@pytest.mark.parametrize("method", ["dpo", "kto", "sft"])
async def test_from_the_last_version_what_was_learnt_is_there_at_the_first_step(
    method: Any, training: Training
) -> None:
    first = await training(RECIPE)
    again = await training(replace(LAST, method=method), first.adapter)
    assert again.unservable == ()
    if method == "dpo":
        assert again.log[0].chosen > first.log[0].chosen + 1
        # It is held to what it starts from: nothing is gained before the first step.
        assert abs(again.log[0].chosen_reward) < abs(first.log[-1].chosen_reward) / 10


async def test_from_version_to_version_drift_adds_up(training: Training) -> None:
    first = await training(RECIPE)
    again = await training(LAST, first.adapter)
    assert training.nats(again.adapter) > training.nats(first.adapter) > 0


async def test_where_the_base_is_live_the_last_version_is_the_base(training: Training) -> None:
    assert (await training(LAST)).digest == (await training(RECIPE)).digest


@pytest.mark.parametrize("live", [RECIPE, FULL])
async def test_full_weights_start_from_an_adapter_as_from_full_weights(
    live: Recipe, training: Training
) -> None:
    first = await training(live)
    again = await training(replace(FULL, anchor="last"), first.adapter)
    assert again.unservable == ()
    assert again.log[0].chosen > first.log[0].chosen + 1


async def test_an_adapter_cannot_rest_on_full_weights(training: Training) -> None:
    first = await training(FULL)
    with pytest.raises(TrainingFailed, match="adapters rest on the base's: set anchor base, or weights full"):
        await training(LAST, first.adapter)


async def test_another_rank_than_that_of_the_live_version_is_refused(training: Training) -> None:
    first = await training(RECIPE)
    with pytest.raises(TrainingFailed, match=r"recipe\.rank is 8, and that of the live version 4"):
        await training(replace(LAST, rank=8), first.adapter)


async def test_a_directory_that_is_no_adapter_is_named(training: Training, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="nowhere cannot be started from"):
        await training(LAST, tmp_path / "nowhere")
