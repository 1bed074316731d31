"""DPO, for real, on a policy of some thousand weights."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import SafetensorError

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset, freeze
from finetune.progress import Silence
from finetune.train.checkpoints import last_whole, place_of
from finetune.train.contract import Logged, Recipe, job_of
from finetune.train.dpo import characters
from finetune.train.trainer import LocalTrainer
from finetune.train.watching import health_of
from gateway.artifacts.contents import digest_of

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

RECIPE = Recipe(rank=4, alpha=8, learning_rate=1e-2, epochs=2, batch_size=8, max_length=64, device="cpu")


class Heard(Silence):
    """Remembers how far training was."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def advanced(self, done: int, total: int, told: str = "") -> None:
        self.steps.append((done, total))


class Broken(Silence):
    """Raises within the library's loop, as a device does."""

    def advanced(self, done: int, total: int, told: str = "") -> None:
        if total == 12:
            raise RuntimeError("CUDA out of memory")


@pytest.fixture
def trainer(tiny_policy: Path, tmp_path: Path) -> LocalTrainer:
    return LocalTrainer(str(tiny_policy), tmp_path / "adapters", Heard())


async def test_training_learns_the_pairs_and_leaves_a_servable_adapter(
    trainer: LocalTrainer, dataset: Dataset
) -> None:
    trained = await trainer.train(dataset, RECIPE)
    assert trained.health.finite
    assert trained.health.margin > 0.1
    assert trained.health.accuracy > 0.9
    assert trained.unservable == ()
    assert trained.log[0].loss > trained.log[-1].loss


async def test_an_adapter_is_named_by_its_content(trainer: LocalTrainer, dataset: Dataset) -> None:
    trained = await trainer.train(dataset, RECIPE)
    assert trained.adapter.name == trained.digest == digest_of(trained.adapter)
    assert [path.name for path in trainer.folder.iterdir()] == [trained.digest]


async def test_the_same_seed_gives_the_same_adapter_and_another_another(
    trainer: LocalTrainer, dataset: Dataset
) -> None:
    short = replace(RECIPE, epochs=1)
    first, again = await trainer.train(dataset, short), await trainer.train(dataset, short)
    other = await trainer.train(dataset, replace(short, seed=8))
    assert first.digest == again.digest != other.digest


async def test_progress_is_told_step_by_step(trainer: LocalTrainer, dataset: Dataset) -> None:
    await trainer.train(dataset, RECIPE)
    shown = [(batch, 6) for batch in range(1, 7)]
    assert trainer.progress.steps == shown + [(step, 12) for step in range(1, 13)]  # type: ignore[attr-defined]


def test_pairs_are_as_long_as_what_they_say_whatever_shape_it_has() -> None:
    asked = [{"content": None}, {"content": [{"type": "text", "text": "abcde"}]}, {"content": "abc"}]
    line = {"prompt": asked, "chosen": [{"content": "ab"}], "rejected": [{"content": "abcd"}]}
    assert characters(line) == 5 + 3 + 4


@pytest.mark.parametrize("seen", [1, 8])
async def test_cancelling_stops_training_and_leaves_nothing(
    trainer: LocalTrainer, dataset: Dataset, seen: int
) -> None:
    task = asyncio.create_task(trainer.train(dataset, replace(RECIPE, epochs=10_000)))
    while len(trainer.progress.steps) < seen:  # type: ignore[attr-defined]
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not trainer.folder.exists()


@pytest.mark.parametrize(
    ("every", "told"), [(500, r"training goes on after step (\d+) of 1200"), (0, "training begins anew")]
)
async def test_a_training_that_is_stopped_says_where_it_goes_on(
    trainer: LocalTrainer, dataset: Dataset, every: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = replace(RECIPE, epochs=200, checkpoint_steps=every)
    task = asyncio.create_task(trainer.train(dataset, recipe))
    while len(trainer.progress.steps) < 8:  # type: ignore[attr-defined]
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = re.search(told, caplog.text)
    assert found is not None, caplog.text
    job = job_of(dataset, recipe, trainer.base, trainer.folder, None, None)
    last = last_whole(place_of(job))
    assert (last.name if last else "") == (f"checkpoint-{found.group(1)}" if every else "")


async def test_a_training_that_was_stopped_goes_on_after_its_last_step(
    trainer: LocalTrainer, dataset: Dataset
) -> None:
    recipe = replace(RECIPE, epochs=10, checkpoint_steps=500)  # more than there are steps
    task = asyncio.create_task(trainer.train(dataset, recipe))
    while len(trainer.progress.steps) < 8:  # type: ignore[attr-defined]
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    trainer.progress.steps.clear()  # type: ignore[attr-defined]
    trained = await trainer.train(dataset, recipe)
    assert trained.steps == 60
    assert (1, 60) not in trainer.progress.steps  # type: ignore[attr-defined]


async def test_a_base_model_that_is_not_there_is_named(
    trainer: LocalTrainer, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailed, match="nowhere"):
        await trainer.train(dataset, replace(RECIPE, base=str(tmp_path / "nowhere")))


async def test_a_device_that_fails_in_the_middle_is_told(trainer: LocalTrainer, dataset: Dataset) -> None:
    with pytest.raises(TrainingFailed, match="training broke off: RuntimeError: CUDA out of memory"):
        await replace(trainer, progress=Broken()).train(dataset, RECIPE)


class Full(Silence):
    """Raises within the library's loop, as safetensors does when it cannot write a checkpoint."""

    def advanced(self, done: int, total: int, told: str = "") -> None:
        if total == 12:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


async def test_a_checkpoint_that_cannot_be_written_is_told_with_where_to_make_room(
    trainer: LocalTrainer, dataset: Dataset
) -> None:
    with pytest.raises(TrainingFailed, match=r"No space left.*make room in .*checkpoints"):
        await replace(trainer, progress=Full()).train(dataset, RECIPE)


async def test_an_empty_dataset_is_refused(trainer: LocalTrainer, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="no pairs"):
        await trainer.train(freeze([], tmp_path, {}), RECIPE)


def logged(step: int, loss: float = 0.5, chosen_reward: float = 0.0) -> Logged:
    return Logged(step, loss, 1.0, 1.0, -30.0, -40.0, chosen_reward)


def test_a_loss_that_is_no_number_is_unsound() -> None:
    assert not health_of([logged(1), logged(2, loss=float("nan"))], 0.1).finite


def test_without_a_log_training_is_unsound() -> None:
    assert not health_of([], 0.1).finite


def test_displacement_is_told_in_nats() -> None:
    log = [logged(step, chosen_reward=-3.0 if step > 8 else 0.0) for step in range(1, 11)]
    assert health_of(log, 0.1).chosen_drift == pytest.approx(-30.0)
