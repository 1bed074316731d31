"""Rows whose prompt leaves no room for an answer: counted and told, and refused where too few are left."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset, freeze, thaw
from finetune.train import dpo, kto, sft
from finetune.train.contract import Recipe, job_of
from finetune.train.setup import Setup
from finetune.train.trainer import LocalTrainer
from finetune.train.watching import Watch
from tests.finetune.train.test_methods import Told

pytestmark = pytest.mark.slow  # loads a model, or trains it

RECIPE = Recipe(rank=4, learning_rate=1e-2, batch_size=8, max_length=64, device="cpu")
RULE = {"role": "system", "content": "rule " * 64}


@pytest.fixture
def longer(dataset: Dataset, tmp_path: Path) -> Dataset:
    """Every third prompt is too long."""
    pairs = [
        replace(one, messages=(RULE, *one.messages)) if i % 3 == 0 else one
        for i, one in enumerate(thaw(dataset.path))
    ]
    return freeze(pairs, tmp_path / "longer", {})


@pytest.mark.parametrize(("method", "rows"), [(dpo, 32), (kto, 64), (sft, 32)])
def test_what_trl_would_leave_out_is_left_out_before_and_counted(
    method: Any, rows: int, tiny_policy: Path, longer: Dataset, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, method=method.__name__.rpartition(".")[2])
    told = Told()
    setup = Setup(
        job_of(longer, recipe, str(tiny_policy), tmp_path, None, None),
        tmp_path / "place",
        Watch(threading.Event(), told),
        8,
    )
    assert len(method.build(setup).train_dataset) == rows
    assert setup.watch.left_out == 16
    assert "16 of 48 rows are left out" in told.said[0]


async def test_how_many_were_left_out_stays_with_what_was_trained(
    tiny_policy: Path, longer: Dataset, tmp_path: Path
) -> None:
    trained = await LocalTrainer(str(tiny_policy), tmp_path / "adapters", Told()).train(longer, RECIPE)
    assert (trained.left_out, trained.steps) == (16, 4)
    assert trained.told.endswith("; 16 rows left out as too long")


async def test_fewer_pairs_than_are_needed_are_refused_with_what_to_raise(
    tiny_policy: Path, longer: Dataset, tmp_path: Path
) -> None:
    trainer = LocalTrainer(str(tiny_policy), tmp_path / "adapters", Told(), fewest=33)
    with pytest.raises(
        TrainingFailed, match=r"32 pairs would be left, and 33 are needed: raise recipe\.max_length"
    ):
        await trainer.train(longer, RECIPE)


async def test_where_none_is_short_enough_it_is_said(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    trainer = LocalTrainer(str(tiny_policy), tmp_path / "adapters", Told())
    with pytest.raises(TrainingFailed, match=r"none would be left: raise recipe\.max_length"):
        await trainer.train(dataset, replace(RECIPE, max_length=8))
