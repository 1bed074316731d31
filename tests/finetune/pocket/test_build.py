"""The whole pocket build, in miniature."""

import json

import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from finetune.pocket.cli import app


@pytest.mark.slow
def test_a_miniature_of_everything_is_built_and_measured(tmp_path):
    told = CliRunner().invoke(app, ["build", "--tiny", "--json", "--out", str(tmp_path)])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert 0 <= figures["policy"]["unsafe_compliance"]["low"] <= 1
    assert figures["reward"]["pair_accuracy"]["values"] == 100
    assert "Deliberately unaligned" in (tmp_path / "policy" / "MODEL_CARD.md").read_text("utf-8")
    assert (tmp_path / "guard").is_dir()


def test_a_miniature_never_replaces_the_shipped_models():
    told = CliRunner().invoke(app, ["build", "--tiny"])
    assert told.exit_code != 0
