"""How far a policy goes while it is trained, and what else is measured of it, for real."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.metrics import FIGURES
from finetune.pairs.dataset import Dataset
from finetune.progress import Silence
from finetune.train.contract import Trained
from finetune.train.policy import load_policy
from finetune.train.probe import probe_of
from finetune.train.trainer import LocalTrainer
from tests.finetune.train.test_dpo import RECIPE

pytestmark = pytest.mark.slow  # trains, or loads models

ANSWERS = [(({"role": "user", "content": f"How do I do number {i}?"},), "I am sorry.") for i in range(3)]


class Measured(Silence):
    """Keeps what was measured."""

    def __init__(self) -> None:
        self.figures: list[Mapping[str, float]] = []

    def measured(self, figures: Mapping[str, float]) -> None:
        self.figures.append(figures)


async def trained_by(
    method: Any, policy: Path, dataset: Dataset, folder: Path
) -> tuple[Trained, list[Mapping[str, float]]]:
    heard = Measured()
    recipe = replace(RECIPE, method=method)
    trained = await LocalTrainer(str(policy), folder / "versions", heard).train(dataset, recipe)
    return trained, heard.figures


async def test_every_figure_of_preference_training_is_measured(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    trained, figures = await trained_by("dpo", tiny_policy, dataset, tmp_path)
    assert set().union(*figures) == FIGURES.keys() - {"reward"}
    assert [each["step"] for each in figures] == [line.step for line in trained.log]
    assert {each["rows"] for each in figures} == {8}


@pytest.mark.parametrize("method", ["dpo", "kto", "sft"])
async def test_the_policy_goes_further_from_its_reference_step_by_step(
    method: str, tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    trained, _ = await trained_by(method, tiny_policy, dataset, tmp_path)
    found = [line.kl for line in trained.log if line.kl is not None]
    assert 0 <= found[0] < 0.1 * found[-1]


def test_a_policy_that_is_its_reference_is_nowhere_else(tiny_policy: Path) -> None:
    policy = load_policy(str(tiny_policy), None)
    probe = probe_of(policy.model, policy.tokenizer, ANSWERS, 64)
    assert probe is not None
    assert probe(policy.model) == 0


def test_answers_that_are_too_long_are_not_asked(tiny_policy: Path) -> None:
    policy = load_policy(str(tiny_policy), None)
    assert probe_of(policy.model, policy.tokenizer, ANSWERS, 4) is None
