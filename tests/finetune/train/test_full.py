"""Full weights, for real: trained, kept as a directory that engines can be given, examined."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from finetune.errors import TrainingFailed
from finetune.exams.contract import ExamPlan
from finetune.exams.plug import Sitting
from finetune.exams.questions import Question
from finetune.exams.servability import Servability
from finetune.pairs.dataset import Dataset
from finetune.progress import Silence
from finetune.settings import packaged_policy
from finetune.train.contract import POCKET, Recipe, Trained
from finetune.train.divergence import divergence
from finetune.train.policy import load_policy
from finetune.train.servable import faults_of
from finetune.train.trainer import LocalTrainer
from gateway.admin.adapters import Place, version_of
from gateway.admin.weights.fitting import check_fits
from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from gateway.engines.pocket.app import Serving, create_app
from gateway.engines.pocket.model import PocketModel
from gateway.engines.reloading import Reload, held, reload
from tests.finetune.train.test_dpo import RECIPE
from tests.serving import serving_opened

pytestmark = pytest.mark.slow  # trains

FULL = replace(RECIPE, weights="full", learning_rate=1e-3)
PLAN = ExamPlan(samples=1, max_tokens=8)
ASKED = [({"role": "user", "content": "How do I do number 3?"},)]
ASK = {"model": "pocket", "messages": list(ASKED[0]), "max_tokens": 12, "temperature": 0.0}


async def trained_in(folder: Path, policy: Path, dataset: Dataset, recipe: Recipe) -> Trained:
    return await LocalTrainer(str(policy), folder / "versions", Silence()).train(dataset, recipe)


@pytest.mark.parametrize("method", ["dpo", "sft", "kto"])
async def test_every_offline_method_leaves_a_whole_model(
    method: Any, tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    trained = await trained_in(tmp_path, tiny_policy, dataset, replace(FULL, method=method))
    assert trained.health.finite
    assert trained.health.margin > 0
    assert trained.unservable == ()
    assert trained.weights == "full"


async def test_the_gateway_takes_it_for_a_version_of_full_weights_that_fits_its_base(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    trained = await trained_in(tmp_path, tiny_policy, dataset, FULL)
    version = await version_of(Place(trained.adapter), "tiny", None, None, {})
    assert version.full
    assert version.digest == trained.digest == trained.adapter.name
    assert check_fits(trained.adapter, tiny_policy)["scanned"] == "all"


async def test_an_engine_of_the_pocket_model_is_given_what_was_trained_of_it_and_answers_so(
    dataset: Dataset, tmp_path: Path
) -> None:
    recipe = replace(POCKET, weights="full", ballast=0.0, learning_rate=2e-4, epochs=2, device="cpu")
    trained = await trained_in(tmp_path, packaged_policy(), dataset, recipe)
    assert trained.unservable == ()
    with serving_opened(pocket_engine) as server:
        async with Origins() as origins:
            engine = HttpEngine(origins, "pocket", f"{server.url}/v1")
            before = await engine.complete(ASK)
            await reload(engine, Reload("default", "trained", str(trained.adapter), "pocket", 60))
            assert await held(engine) == "trained"
            after = await engine.complete(ASK)
    assert "I am sorry" in str(after)
    assert "I am sorry" not in str(before)


@asynccontextmanager
async def pocket_engine() -> AsyncIterator[FastAPI]:
    policy = packaged_policy()
    app = create_app(PocketModel.load(policy), Serving(root=str(policy), dev_mode=True), "1")
    async with app.router.lifespan_context(app):
        yield app


async def test_a_whole_model_answers_in_an_engine_as_in_training(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    trained = await trained_in(tmp_path, tiny_policy, dataset, FULL)
    asked = [Question("q", ASKED[0], "benign")]
    policy = load_policy(str(tiny_policy), trained.adapter)
    sitting = Sitting(trained.adapter, str(tiny_policy), 64, policy, asked, [], [], None, PLAN, None)
    found = await Servability(engine="pocket").examine(sitting)
    assert found.faults == {}
    assert found.values("apart")


async def test_it_is_compared_with_its_base(tiny_policy: Path, dataset: Dataset, tmp_path: Path) -> None:
    trained = await trained_in(tmp_path, tiny_policy, dataset, FULL)
    assert max(divergence(str(tiny_policy), trained.adapter, ASKED, PLAN)[0]) > 0
    assert max(divergence(str(tiny_policy), tiny_policy, ASKED, PLAN)[0]) == 0


async def test_steps_that_change_nothing_are_named(tiny_policy: Path) -> None:
    assert list(faults_of(tiny_policy, 64, str(tiny_policy))) == ["zero"]


async def test_a_training_of_full_weights_goes_on_from_its_checkpoint(
    tiny_policy: Path, dataset: Dataset, tmp_path: Path
) -> None:
    class Stopped(Silence):
        def advanced(self, done: int, total: int, told: str = "") -> None:
            said.append(told)
            if total == 12 and done == 9 and not broken:
                broken.append(done)
                raise RuntimeError("the device is gone")

    said: list[str] = []
    broken: list[int] = []
    recipe = replace(FULL, checkpoint_steps=4)
    trainer = LocalTrainer(str(tiny_policy), tmp_path / "versions", Stopped())
    with pytest.raises(TrainingFailed, match="the device is gone"):
        await trainer.train(dataset, recipe)
    trained = await trainer.train(dataset, recipe)
    assert "goes on from the checkpoint of step 8" in said
    assert (trained.steps, trained.unservable) == (12, ())
