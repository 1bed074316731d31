"""Every method of training, for real, on a policy of some thousand weights; kills and too little memory."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from finetune.errors import TrainingFailed
from finetune.pairs.dataset import Dataset
from finetune.train.checkpoints import last_whole, place_of
from finetune.train.contract import Job, Logged, Recipe
from finetune.train.trainer import LocalTrainer
from finetune.train.watching import Watch
from tests.finetune.train.test_dpo import RECIPE, Heard

pytestmark = pytest.mark.slow  # trains

SHORT = replace(RECIPE, epochs=1)


class Told(Heard):
    """Remembers what was said too."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def advanced(self, done: int, total: int, told: str = "") -> None:
        super().advanced(done, total, told)
        self.said.append(told)


def trainer_in(folder: Path, policy: Path, **more: Any) -> LocalTrainer:
    return LocalTrainer(str(policy), folder / "adapters", Told(), **more)


@pytest.mark.parametrize("method", ["sft", "kto"])
async def test_other_methods_leave_a_servable_adapter_too(
    method: Any, tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    trained = await trainer_in(tmp_path, tiny_policy).train(dataset, replace(SHORT, method=method))
    assert trained.health.finite
    assert trained.unservable == ()


async def test_losses_may_be_mixed(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    mix = replace(SHORT, losses={"sigmoid": 0.8, "bco_pair": 0.2, "sft": 1.0})
    trained = await trainer_in(tmp_path, tiny_policy).train(dataset, mix)
    assert trained.health.finite


def test_a_loss_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="sigmiod"):
        TypeAdapter(Recipe).validate_python({"losses": {"sigmiod": 1.0}})


async def test_online_methods_need_a_reward_server(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(TrainingFailed, match="needs a reward server"):
        await trainer_in(tmp_path, tiny_policy).train(dataset, replace(SHORT, method="grpo"))


KILLED = """
import asyncio, json, sys
from pathlib import Path
from finetune.pairs.dataset import Dataset
from finetune.progress import Silence
from finetune.train.contract import Recipe
from finetune.train.trainer import LocalTrainer
told = json.loads(sys.argv[1])
dataset = Dataset(Path(told["path"]), told["sha256"], 48, {}, {})
trainer = LocalTrainer(told["policy"], Path(told["folder"]) / "adapters", Silence())
asyncio.run(trainer.train(dataset, Recipe(**told["recipe"])))
"""


def started(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=Path(__file__).parents[3], stderr=subprocess.DEVNULL)


async def test_a_training_that_is_killed_goes_on_from_its_last_checkpoint(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, epochs=12, checkpoint_steps=4)
    told = {
        "path": str(dataset.path),
        "sha256": dataset.sha256,
        "policy": str(tiny_policy),
        "folder": str(tmp_path),
    }
    command = [sys.executable, "-c", KILLED, json.dumps(told | {"recipe": asdict(recipe)})]
    process = started(command)
    place = place_of(Job(dataset, recipe, str(tiny_policy), tmp_path / "adapters"))
    while process.poll() is None and len(list(place.glob("checkpoint-*/trainer_state.json"))) < 2:
        await asyncio.sleep(0.01)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    found = last_whole(place)
    assert found is not None
    trainer = trainer_in(tmp_path, tiny_policy)
    trained = await trainer.train(dataset, recipe)
    assert any("goes on from the checkpoint" in said for said in trainer.progress.said)  # type: ignore[attr-defined]
    whole = await trainer_in(tmp_path / "other", tiny_policy).train(dataset, recipe)
    assert trained.steps == whole.steps
    # The rest of an epoch is shuffled anew, so the weights differ a little; what was learnt does not.
    assert abs(trained.log[-1].chosen - whole.log[-1].chosen) < 0.5
    assert abs(trained.log[-1].margin - whole.log[-1].margin) < 0.05
    assert not place.exists()


async def test_a_checkpoint_that_was_cut_off_is_not_gone_on_from(tmp_path: Path) -> None:
    for step, state in ((4, "{}"), (8, '{"cut')):
        place = tmp_path / f"checkpoint-{step}"
        place.mkdir()
        (place / "trainer_state.json").write_text(state)
    assert last_whole(tmp_path) is None  # the older one has no weights


def test_what_was_held_up_as_good_and_falls_is_told_at_once() -> None:
    told = Told()
    watch = Watch(None, told, alarm_nats=5.0)  # type: ignore[arg-type]
    state = type("State", (), {"global_step": 1, "max_steps": 9})()
    for chosen in (-30.0, -33.0, -36.0, -40.0):
        logs = {"loss": 0.6, "rewards/margins": 1.0, "logps/chosen": chosen}
        watch.on_log(None, state, None, logs=logs)
    assert [said for said in told.said if "displacement" in said] == [
        "ALARM: chosen answers lost 6.0 nats by step 1: likelihood displacement"
    ]
    assert isinstance(watch.log[0], Logged)
