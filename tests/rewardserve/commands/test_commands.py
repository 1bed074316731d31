"""`trimtab reward calibrate`, `probe` and `report`, as a person types them."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rewardserve.cli import app
from rewardserve.scorer import Message, ModelSpec
from rewardserve.scorers import transformers

SENTENCE = "Take flour water and salt knead it well I am sorry but cannot help you with that"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def pairs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty pairs, of which the tiny model ranks four of five rightly."""
    rng, scorer = random.Random(3), transformers.load(ModelSpec(str(tiny)))
    rows = []
    for number in range(80):
        asked = f"How {number}?"
        answers = [" ".join(rng.choices(SENTENCE.split(), k=rng.randint(3, 9))) for _ in range(2)]
        rewards = scorer.score(scorer.prepare([Message("user", asked)], answers))
        best = rewards.index(max(rewards) if number % 5 else min(rewards))
        subset = "chat" if number % 2 else "safety"
        rows.append(
            {"prompt": asked, "chosen": answers[best], "rejected": answers[1 - best], "subset": subset}
        )
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_report_has_a_table_and_files(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    done = run("report", "--model", tiny, "--pairs", pairs, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "0.800" in done.stdout
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["all"]["accuracy"]["value"] == 0.8
    assert set(told["subsets"]) == {"chat", "safety"}
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_what_is_calibrated_is_served_and_measured(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibration.json"
    done = run("calibrate", "--model", tiny, "--pairs", pairs, "--out", out, "--length", "off", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(out.read_text())
    again = run("report", "--model", tiny, "--pairs", pairs, "--calibration", out, "--json")
    assert json.loads(again.stdout)["all"]["accuracy"]["value"] == 0.8  # one scale changes no order


def test_a_probe_is_recorded_and_checked(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "probe.json"
    assert run("probe", "--model", tiny, "--record", out).exit_code == 0
    done = run("probe", "--model", tiny, "--check", out)
    assert (done.exit_code, "is unchanged" in done.stdout) == (0, True)
    told = json.loads(out.read_text())
    told["probes"][0]["values"][0]["reward"] += 3
    out.write_text(json.dumps(told))
    done = run("probe", "--model", tiny, "--check", out, "--json")
    assert (done.exit_code, json.loads(done.stdout)["drifted"]) == (1, True)


def test_an_ensemble_is_named_like_a_model(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    path = tmp_path / "ensemble.yaml"
    members = [{"name": name, "model": str(tiny), "family": name} for name in ("one", "two")]
    path.write_text(yaml.safe_dump({"members": members, "combine": "mean"}))
    done = run("report", "--ensemble", path, "--pairs", pairs, "--json")
    assert json.loads(done.stdout)["all"]["accuracy"]["value"] == 0.8


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["probe"], "either --record FILE or --check FILE"),
        (["report", "--pairs", "/nowhere"], "cannot be read"),
        (["calibrate", "--pairs", "/nowhere", "--out", "x"], "cannot be read"),
        (["train", "--pairs", "/nowhere", "--base", "x", "--out", "y"], "cannot be read"),
        (["train", "--pairs", "/x", "--base", "x", "--out", "y", "--device", "abacus"], "abacus"),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], told: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, told in done.stderr) == (2, True)


def test_few_pairs_are_told(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(pairs.read_text().splitlines()[:9]))
    done = run("calibrate", "--model", tiny, "--pairs", few, "--out", tmp_path / "out.json")
    assert (done.exit_code, "at least 50" in done.stderr) == (2, True)
