"""One training at a time has a folder of checkpoints."""

import threading
from pathlib import Path

import pytest

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset
from finetune.progress import Silence
from finetune.train.checkpoints import hold, place_of
from finetune.train.contract import Recipe, job_of
from finetune.train.trainer import learn

RECIPE = Recipe(rank=4, alpha=8, batch_size=8, max_length=64, device="cpu")


def test_a_second_one_is_refused_and_named(tmp_path: Path) -> None:
    hold(tmp_path / "place", threading.Event(), 0.0)
    with pytest.raises(TrainingFailed, match=r"place\.lock: another training of the same data"):
        hold(tmp_path / "place", threading.Event(), 0.0)


def test_what_was_given_back_can_be_had(tmp_path: Path) -> None:
    hold(tmp_path / "place", threading.Event(), 0.0)()
    assert list(tmp_path.iterdir()) == []
    hold(tmp_path / "place", threading.Event(), 0.0)


def test_whoever_waits_gets_it_next(tmp_path: Path) -> None:
    give_back = hold(tmp_path / "place", threading.Event(), 0.0)
    timer = threading.Timer(0.3, give_back)
    timer.start()
    hold(tmp_path / "place", threading.Event(), 10.0)()
    timer.join()


def test_a_training_does_not_touch_what_another_holds(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    job = job_of(dataset, RECIPE, str(tiny_policy), tmp_path / "adapters", None, None)
    hold(place_of(job), threading.Event(), 0.0)
    stop = threading.Event()
    stop.set()  # so that it does not wait
    with pytest.raises(TrainingFailed, match="stopped"):
        learn(job, Silence(), stop)
    assert not place_of(job).exists()
