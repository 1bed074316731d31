"""`trimtab policy tune`: from labelled rows to a policy."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from guards.policy.load import load_policy
from guards.tuning.cli import tune

POLICY = """\
name: p
version: 1
guards:
  # what people say
  - id: words
    kind: patterns
    where: [prompt]
    on_error: open
    hazards:
      X.bad: [{action: flag, threshold: 0.2}, {action: refuse, threshold: 0.5}]  # both
      X.odd: {action: flag, threshold: 0.3}
    config:
      patterns:
        weak: {hazard: X.bad, terms: [maybe], probability: 0.6}
        strong: {hazard: X.bad, terms: [surely], probability: 0.9}
        odd: {hazard: X.odd, terms: [odd], probability: 0.5}
"""

app = typer.Typer()
app.command()(tune)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "p.yaml").write_text(POLICY)
    return str(tmp_path / "p.yaml")


@pytest.fixture
def rows(tmp_path: Path):
    def written(harmless: int = 400) -> str:
        made = [{"text": f"fine {n} {'maybe' if n % 10 == 0 else ''}", "label": 0} for n in range(harmless)]
        made += [{"text": f"surely {n}", "unsafe": True} for n in range(60)]
        made += [{"text": f"maybe {n}", "unsafe": True, "hazard": "X.odd"} for n in range(60)]
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
        return str(tmp_path / "rows.jsonl")

    return written


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, args)
    return result.exit_code, result.stdout, result.stderr


def test_thresholds_are_found_written_and_shown(policy, rows, tmp_path) -> None:
    out, report = tmp_path / "tuned.yaml", tmp_path / "report"
    args = ("--fpr", "0.05", "--hazard", "X.bad", "--out", str(out), "--report", str(report), "--json")
    code, told, _ = run(policy, rows(), *args)
    assert code == 0
    answer = json.loads(told)["answers"][0]
    assert (answer["before"]["threshold"], answer["after"]["threshold"]) == (0.2, 0.6001)
    assert answer["before"]["false_alarms"]["value"] > 0.05
    assert (answer["after"]["recall"]["value"], answer["after"]["false_alarms"]["value"]) == (1, 0)
    assert answer["kept"] is True
    both = "X.bad: [{action: flag, threshold: 0.6001}, {action: refuse, threshold: 0.6001}]  # both"
    assert out.read_text() == POLICY.replace(POLICY.splitlines()[9].strip(), both)
    assert load_policy(out).name == "p"
    page = (report / "tune.html").read_text()
    assert page.count("<svg") == 2
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert "https://" not in page


def test_harmful_texts_of_other_hazards_do_not_count(policy, rows) -> None:
    _, told, _ = run(policy, rows(), "--fpr", "0.05", "--hazard", "X.odd", "--json")
    answer = json.loads(told)["answers"][0]
    assert answer["after"]["recall"]["values"] == 60
    _, told, _ = run(policy, rows(), "--fpr", "0.05", "--hazard", "X.bad", "--json")
    assert json.loads(told)["answers"][0]["after"]["recall"]["values"] == 30


def test_an_action_may_be_tuned_alone(policy, rows, tmp_path) -> None:
    out = tmp_path / "tuned.yaml"
    run(policy, rows(), "--fpr", "0.05", "--hazard", "X.bad", "--action", "refuse", "--out", str(out))
    assert "{action: flag, threshold: 0.2}, {action: refuse, threshold: 0.6001}" in out.read_text()


def test_a_threshold_that_is_taken_over_is_written_into_the_policy_that_extends(
    policy, rows, tmp_path
) -> None:
    own, out = tmp_path / "own.yaml", tmp_path / "tuned.yaml"
    own.write_text("extends: p.yaml  # the house's\nname: own\nversion: 1\n")
    code, *_ = run(str(own), rows(), "--fpr", "0.05", "--hazard", "X.bad", "--out", str(out))
    assert code == 0
    assert out.read_text() == own.read_text() + (
        "guards: [{id: words, hazards: {X.bad: [{action: flag, threshold: 0.6001}, "
        "{action: refuse, threshold: 0.6001}]}}]\n"
    )
    assert Path(policy).read_text() == POLICY


def test_too_few_texts_are_told_with_how_many_it_takes(policy, rows) -> None:
    code, told, _ = run(policy, rows(100), "--fpr", "0.01", "--guard", "words", "--json")
    assert code == 1
    why = json.loads(told)["answers"][0]["why"]
    assert why == "50 harmless texts are too few: it takes 299 in this half, 598 in all"


def test_a_file_that_is_there_is_kept(policy, rows) -> None:
    code, _, said = run(policy, rows(), "--out", policy)
    assert code == 1
    assert "--force" in said
    assert Path(policy).read_text() == POLICY


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"text": "a"}', "rows.jsonl:1: label: must say whether the text is harmful"),
        ('{"text": "a", "label": "perhaps"}', "rows.jsonl:1: label: must say"),
        ('{"text": "a", "label": 1, "hazard": 5}', "rows.jsonl:1: hazard: must be"),
        ('{"label": 1}', "rows.jsonl:1: text: give either text or messages"),
        ("[]", "rows.jsonl:1: line: must be an object"),
    ],
)
def test_a_bad_row_is_told(policy, tmp_path, row, said) -> None:
    (tmp_path / "rows.jsonl").write_text(row)
    code, _, complaint = run(policy, str(tmp_path / "rows.jsonl"))
    assert code == 1
    assert said in complaint
