"""GRPO and RLOO, for real: the pocket policy answers, the packaged reward server scores, and it moves."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset
from finetune.settings import packaged_policy
from finetune.train.contract import Job, Recipe, Rewarder, Trained
from finetune.train.online import rewarded_by, rewarder_of
from finetune.train.trainer import LocalTrainer
from rewardserve.loading import load_workers
from rewardserve.settings import RewardSettings
from tests.fakes.scorer import FakeScorer
from tests.finetune.train.test_probe import Measured
from tests.rewardserve.test_app import served

pytestmark = pytest.mark.slow  # trains, and samples as it does

# Twelve prompts of the dataset's, four answers to each, two prompts to a step.
RECIPE = Recipe(
    rank=4,
    learning_rate=2e-3,
    beta=0.02,
    epochs=0.25,
    batch_size=8,
    generations=4,
    max_completion=24,
    device="cpu",
    checkpoint_steps=0,
)


@pytest.fixture(scope="module")
def rewards() -> Iterator[str]:
    """The packaged reward model, served."""
    (scorer,) = load_workers(RewardSettings())
    with served(scorer) as server:
        yield server.url


async def trained(
    method: Any, rewards: str, dataset: Dataset, folder: Path, **changes: Any
) -> tuple[Trained, list[Mapping[str, float]]]:
    heard = Measured()
    trainer = LocalTrainer(str(packaged_policy()), folder / "versions", heard, rewards)
    made = await trainer.train(dataset, replace(RECIPE, method=method, **changes))
    return made, heard.figures


@pytest.mark.parametrize("method", ["grpo", "rloo"])
async def test_it_leaves_a_servable_adapter_and_tells_rewards_and_kl_at_each_step(
    method: str, rewards: str, dataset: Dataset, tmp_path: Path
) -> None:
    made, figures = await trained(method, rewards, dataset, tmp_path)
    assert made.health.finite
    assert made.unservable == ()
    assert made.steps == len(figures) == 6
    assert made.rewarded_by["rewarded_by"] == rewards
    assert "mean reward" in made.told
    assert all({"loss", "reward", "kl", "step"} <= each.keys() for each in figures)
    assert figures[0]["kl"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("method", ["grpo", "rloo"])
async def test_the_policy_moves_to_what_the_server_rewards(
    method: str, rewards: str, dataset: Dataset, tmp_path: Path
) -> None:
    longer = {"epochs": 1, "batch_size": 16, "learning_rate": 3e-3, "beta": 0.005}
    made, figures = await trained(method, rewards, dataset, tmp_path, **longer)
    found = [each["reward"] for each in figures]
    assert fmean(found[-4:]) > fmean(found[:4]) + 1  # of rewards between about -5 and 5
    assert made.health.margin > 1


async def test_full_weights_are_held_to_what_they_start_from(
    rewards: str, dataset: Dataset, tmp_path: Path
) -> None:
    made, figures = await trained("grpo", rewards, dataset, tmp_path, weights="full", learning_rate=1e-4)
    assert made.unservable == ()
    assert figures[0]["kl"] == pytest.approx(0, abs=1e-3)


async def test_a_reward_server_that_is_away_fails_the_training_and_is_named(
    dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailed, match="answers cannot be scored"):
        await trained("rloo", "http://127.0.0.1:9", dataset, tmp_path)


def job(url: str, dataset: Dataset, **recipe: Any) -> Job:
    return Job(dataset, replace(RECIPE, **recipe), "base", Path("f"), reward_url=url)


def test_who_rewards_is_known_by_address_and_model_and_without_a_password(dataset: Dataset) -> None:
    with served(FakeScorer()) as server:
        url = server.url.replace("http://", "http://ada:secret@")
        assert rewarder_of(job(url, dataset, method="grpo")) == Rewarder(server.url, "fake")


def test_who_does_not_say_its_model_is_known_by_address(dataset: Dataset) -> None:
    assert rewarder_of(job("http://127.0.0.1:9", dataset, method="rloo")) == Rewarder(
        "http://127.0.0.1:9", None
    )


def test_other_methods_are_rewarded_by_nobody(dataset: Dataset) -> None:
    assert rewarder_of(job("http://127.0.0.1:9", dataset, method="sft")) is None


def test_rewards_are_the_servers_own_in_their_order() -> None:
    asked = [[{"role": "user", "content": text}] for text in ("one", "two", "three")]
    said = [[{"role": "assistant", "content": "a" * length}] for length in (3, 1, 2)]
    with served(FakeScorer()) as server:
        assert rewarded_by(server.url)(prompts=asked, completions=said) == [3.0, 1.0, 2.0]
