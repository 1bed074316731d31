"""`trimtab guards report` on sets of one's own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guards.cli import app

POLICY = """
name: p
version: 1
guards:
  - id: words
    kind: patterns
    where: [prompt, reply]
    on_error: open
    hazards:
      X.bad: {action: flag, threshold: 0.5}
    config:
      patterns:
        strong: {hazard: X.bad, terms: [surely], probability: 0.9}
        weak: {hazard: X.bad, terms: [maybe], probability: 0.4}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "p.yaml").write_text(POLICY)
    return str(tmp_path / "p.yaml")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"text": f"fine {n}", "label": "safe", "language": "en"} for n in range(40)]
    rows += [{"text": f"maybe {n}", "label": "safe", "language": "de"} for n in range(10)]
    rows += [{"text": f"surely {n}", "label": 1, "hazard": "X.bad", "language": "en"} for n in range(30)]
    rows += [{"text": f"hidden {n}", "label": 1, "hazard": "X.bad", "language": "de"} for n in range(20)]
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "own.jsonl", rows)
    return folder


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["report", *args])
    return result.exit_code, result.stdout, result.stderr


def test_figures_are_those_of_the_rows(policy, data) -> None:
    code, told, _ = run("--data", str(data), "--policy", policy, "--json")
    assert code == 0
    card = json.loads(told)["sets"]["own"]["words"]
    # 30 of 50 harmful ones score 0.9, 20 nothing; of 50 harmless ones 10 score 0.4: pairs in order, ties half.
    assert card["auroc"]["value"] == round((30 * 50 + 20 * 40 * 0.5) / 2500, 4)
    assert card["recall_at_0.01"]["value"] == 0.6
    assert (card["flagged_harmful"]["value"], card["flagged_harmless"]["value"]) == (0.6, 0.0)
    assert card["f1"]["value"] == 0.75
    assert card["calibration_error"]["value"] == round((30 * 0.1 + 10 * 0.4 + 60 * (20 / 60)) / 100, 4)
    assert card["languages"]["en"]["flagged_harmful"]["value"] == 1
    assert card["languages"]["de"]["flagged_harmful"]["value"] == 0
    assert card["hazards"]["X.bad"]["flagged_harmful"]["values"] == 50
    assert card["heads"]["X.bad"]["auroc"]["value"] == card["auroc"]["value"]
    assert 0 < card["latency_ms"]["p50"] <= card["latency_ms"]["p99"]


def test_what_is_not_there_is_named(policy, data) -> None:
    (data / "bad.jsonl").write_text('{"text": "a"}\n')
    _, told, _ = run("--data", str(data), "--policy", policy, "--json")
    skipped = json.loads(told)["skipped"]
    assert skipped["XSTest"] == "there is no folder xstest"
    assert "bad.jsonl:1: label" in skipped["bad"]


def test_the_page_stands_alone(policy, data, tmp_path) -> None:
    run("--data", str(data), "--policy", policy, "--out", str(tmp_path / "out"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "src=" not in page
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert json.loads((tmp_path / "out" / "report.json").read_text())["policy"]["name"] == "p"


def test_a_policy_that_got_worse_is_told_and_ends_with_its_own_code(policy, data, tmp_path) -> None:
    run("--data", str(data), "--policy", policy, "--out", str(tmp_path / "out"))
    saved = str(tmp_path / "out" / "report.json")
    code, told, _ = run("--data", str(data), "--policy", policy, "--baseline", saved, "--json")
    assert (code, json.loads(told)["shifts"]) == (0, [])
    worse = tmp_path / "worse.yaml"
    worse.write_text(POLICY.replace("threshold: 0.5", "threshold: 0.3"))
    code, told, _ = run("--data", str(data), "--policy", str(worse), "--baseline", saved, "--json")
    assert code == 1
    moved = {tuple(one["where"]): one for one in json.loads(told)["shifts"]}
    assert moved["own", "words", "flagged_harmless"] == {
        "where": ["own", "words", "flagged_harmless"],
        "before": 0.0,
        "after": 0.2,
        "worse": True,
    }


def test_a_baseline_that_is_none_is_refused(policy, data, tmp_path) -> None:
    (tmp_path / "x.json").write_text("[]")
    code, _, said = run("--data", str(data), "--policy", policy, "--baseline", str(tmp_path / "x.json"))
    assert code == 1
    assert "is no report of" in said


def test_a_limit_draws_the_same_rows_each_time(policy, data) -> None:
    told = [run("--data", str(data), "--policy", policy, "--limit", "20", "--json")[1] for _ in range(2)]
    first, second = (json.loads(one)["sets"]["own"]["words"]["flagged_harmful"] for one in told)
    assert first == second
    assert json.loads(told[0])["sets"]["own"]["words"]["texts"] == 20
