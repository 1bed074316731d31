"""What is no reward model is refused, with what to do about it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rewardserve.errors import ModelUnusable
from rewardserve.scorer import ModelSpec, load_scorer
from rewardserve.scorers.checkpoint import load_checkpoint
from tests.rewardserve.conftest import Make


def test_a_missing_folder() -> None:
    with pytest.raises(ModelUnusable, match="there is no folder"):
        load_checkpoint(ModelSpec("/nowhere/at/all"))


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"config\.json is missing"):
        load_checkpoint(ModelSpec(str(tmp_path)))


def test_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelUnusable, match="merge it"):
        load_checkpoint(ModelSpec(str(tmp_path)))


def test_several_labels_and_none_chosen(make: Make) -> None:
    with pytest.raises(ModelUnusable, match="--label-index 0 to 2"):
        load_checkpoint(ModelSpec(str(make(labels=3))))


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({"heads": {"safety": 3}}, r"heads: .* has labels 0 to 2, and none for \['safety'\]"),
        (
            {"heads": {"safety": 0}, "weights": {"safty": 1.0}},
            r"weights: there is no head called \['safty'\]",
        ),
        ({"weights": {"safety": 1.0}}, "no head called"),
        ({"heads": {"safety": 0}, "weights": {"safety": 1.0}, "label_index": 0}, "give one of them"),
    ],
)
def test_heads_that_make_no_sense(make: Make, wishes: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelUnusable, match=why):
        load_checkpoint(ModelSpec(str(make(labels=3)), **wishes))


def test_a_label_that_does_not_exist(tiny: Path) -> None:
    with pytest.raises(ModelUnusable, match="has labels 0 to 0"):
        load_checkpoint(ModelSpec(str(tiny), label_index=1))


def test_a_policy_model_whose_head_would_be_random(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, LlamaForCausalLM

    body = AutoModelForSequenceClassification.from_pretrained(tiny)
    LlamaForCausalLM(body.config).save_pretrained(tmp_path)
    shutil.copy(tiny / "tokenizer.json", tmp_path)
    shutil.copy(tiny / "tokenizer_config.json", tmp_path)
    with pytest.raises(ModelUnusable, match=r"no reward model: score\.weight"):
        load_checkpoint(ModelSpec(str(tmp_path)))


def test_broken_weights(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelUnusable, match="cannot be loaded"):
        load_checkpoint(ModelSpec(str(folder)))


def test_an_unknown_architecture(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "odd")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "martian"}))
    with pytest.raises(ModelUnusable, match="martian"):
        load_checkpoint(ModelSpec(str(folder)))


@pytest.mark.parametrize("device", ["cuda:7", "warp drive"])
def test_a_device_that_is_not_here(tiny: Path, device: str) -> None:
    with pytest.raises(ModelUnusable, match="cannot be used here"):
        load_checkpoint(ModelSpec(str(tiny), device=device))


def test_a_limit_above_what_the_model_reads(tiny: Path) -> None:
    with pytest.raises(ModelUnusable, match="more than the model reads, 512"):
        load_checkpoint(ModelSpec(str(tiny), max_tokens=513))


def test_a_template_that_cannot_be_read(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="cannot be read"):
        load_checkpoint(ModelSpec(str(tiny), chat_template=tmp_path / "none.jinja"))


def test_an_unknown_backend_names_those_installed(tiny: Path) -> None:
    with pytest.raises(ModelUnusable, match="transformers"):
        load_scorer("abacus", ModelSpec(str(tiny)))
