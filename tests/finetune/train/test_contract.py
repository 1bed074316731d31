"""What a training leaves behind, as people and lineages are told of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from finetune.pairs.dataset import Dataset
from finetune.train.contract import Job, Recipe, Rewarder, Trained, TrainingHealth

HEALTH = TrainingHealth(finite=True, margin=0.25, accuracy=0.0, chosen_drift=0.0)
TRAINED = Trained(Path("a"), "d" * 64, 1.0, 40, "cpu", HEALTH, (), ())


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("dpo", "margin +0.25, 0% of pairs ranked rightly"),
        ("kto", "margin of good answers over bad ones +0.25"),
        ("sft", "tokens foretold rightly +25.0 points"),
        ("grpo", "mean reward +0.25"),
        ("rloo", "mean reward +0.25"),
    ],
)
def test_what_a_method_measures_is_told_and_nothing_else(method: str, told: str) -> None:
    assert replace(TRAINED, method=method).told.endswith(f"on cpu; {told}")


def test_of_a_loss_that_is_no_number_no_figure_is_told() -> None:
    broken = replace(TRAINED, health=replace(HEALTH, finite=False))
    assert broken.told.endswith("on cpu; its loss is no number")


def test_a_lineage_names_who_rewarded_and_by_which_model() -> None:
    made = replace(TRAINED, rewarder=Rewarder("http://reward:8083", "pocket"))
    assert made.rewarded_by == {"rewarded_by": "http://reward:8083", "reward_model": "pocket"}
    assert TRAINED.rewarded_by == {}


def test_a_job_that_is_shown_hides_the_password_of_its_reward_server() -> None:
    dataset = Dataset(Path("d"), "d", 1, {}, {})
    job = Job(dataset, Recipe(), "base", Path("f"), reward_url="http://ada:secret@reward:8083")
    assert "secret" not in repr(job)
