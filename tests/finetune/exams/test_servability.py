"""What engines make of an adapter: a tiny one of random weights, and the pocket engine as a scratch engine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from safetensors.numpy import load_file, save_file

from finetune.exams.plug import Findings, Sitting
from finetune.exams.servability import Servability
from finetune.train.servable import CONFIG, WEIGHTS
from tests.fakes.tiny_adapter import make_tiny_adapter
from tests.fakes.tiny_policy import make_tiny_policy
from tests.finetune.exams.sitting import asked, sitting
from tests.serving import serving

pytestmark = pytest.mark.slow  # seconds: it loads models


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("tiny-policy"))


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return make_tiny_adapter(base, tmp_path / "adapter")


def sat(base: Path, adapter: Path, other: Path | None = None) -> Sitting:
    """A sitting of the policy with one adapter, of which the files of `other` are looked at."""
    from finetune.train.policy import load_policy

    told = sitting(questions=asked(4, "benign"), adapter=other or adapter)
    return replace(told, base=str(base), policy=load_policy(str(base), adapter, device="cpu"))


def silent() -> FastAPI:
    """An engine that loads whatever it is told to, and answers without log-probabilities."""
    app = FastAPI()
    app.post("/v1/load_lora_adapter")(lambda: {"ok": True})
    app.post("/v1/unload_lora_adapter")(lambda: {"ok": True})
    app.post("/v1/chat/completions")(lambda: {"choices": [{"logprobs": None}]})
    return app


async def reasons(exam: Servability, told: Sitting) -> list[str]:
    conditions = exam.conditions(Findings(), await exam.examine(told))
    return [one.reason for one in conditions if not one.passed]


async def test_a_scratch_engine_answers_as_training_did(base: Path, adapter: Path) -> None:
    exam = Servability(engine="pocket")
    found = await exam.examine(sat(base, adapter))
    assert len(found.values("apart")) == 4
    (condition,) = exam.conditions(Findings(), found)
    assert condition.passed, condition.told


async def test_an_engine_that_answers_otherwise_is_named(base: Path, adapter: Path, tmp_path: Path) -> None:
    other = make_tiny_adapter(base, tmp_path / "other", seed=2)
    assert await reasons(Servability(engine="pocket"), sat(base, adapter, other)) == ["servability.parity"]


async def test_an_engine_that_tells_no_log_probabilities_proves_nothing(base: Path, adapter: Path) -> None:
    with serving(silent()) as engine:
        assert await reasons(Servability(engine=engine.url), sat(base, adapter)) == ["servability.parity"]


async def test_an_engine_that_refuses_is_named(base: Path, adapter: Path, tmp_path: Path) -> None:
    told = load_file(adapter / WEIGHTS)
    odd = make_tiny_adapter(base, tmp_path / "odd")
    save_file(
        {name: each for name, each in told.items() if "0.self_attn.q_proj.lora_B" not in name}, odd / WEIGHTS
    )
    assert await reasons(Servability(engine="pocket"), sat(base, adapter, odd)) == ["servability.engine"]


async def test_an_adapter_of_another_base_is_named_by_its_files(base: Path, adapter: Path) -> None:
    wide = {name: each.repeat(2, axis=1) for name, each in load_file(adapter / WEIGHTS).items()}
    told = sat(base, adapter)
    save_file(wide, adapter / WEIGHTS)
    config = json.loads((adapter / CONFIG).read_text()) | {"base_model_name_or_path": "another/base"}
    (adapter / CONFIG).write_text(json.dumps(config))
    assert await reasons(Servability(), told) == ["servability.base", "servability.shapes"]
