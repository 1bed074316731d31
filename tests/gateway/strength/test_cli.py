"""`trimtab strength`: a fit from a file, its table, its picture, and files that hold no answers."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gateway.strength.cli import app
from gateway.strength.curve import load_curve
from tests.gateway.strength.curves import curve


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    chance, path = np.random.default_rng(2), tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for prompt in range(60):
            u = chance.random(32)
            gold = np.where(u < 0.8, u, 0.8 - 8.0 * (u - 0.8))
            file.write(json.dumps({"prompt": prompt, "proxy": u.tolist(), "gold": gold.tolist()}) + "\n")
    return path


def test_a_fit_is_a_curve_that_settings_can_name(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "strength.json"
    code, said = run("fit", "--data", str(rows), "--out", str(out), "--alias", "helper")
    assert code == 0
    assert "helper: from 1920 answers to 60 prompts (rows.jsonl)" in said
    fitted = load_curve(out)
    assert fitted.n is not None
    assert fitted.n.low <= fitted.n.value <= fitted.n.high < 12
    assert fitted.mu is not None
    assert fitted.temperature is not None
    assert (fitted.source.prompts, fitted.largest_n) == (60, 32)


def test_the_same_rows_give_the_same_curve(rows: Path, tmp_path: Path) -> None:
    told = [
        json.loads(run("fit", "--data", str(rows), "--out", str(tmp_path / "x"), "--json")[1]) for _ in "ab"
    ]
    assert {key: value for key, value in told[0].items() if key != "made_at"} == {
        key: value for key, value in told[1].items() if key != "made_at"
    }


def test_a_curve_is_shown_and_drawn(rows: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "strength.json", tmp_path / "strength.png"
    run("fit", "--data", str(rows), "--out", str(out))
    code, said = run("show", str(out), "--plot", str(picture))
    assert code == 0
    assert "interval of gold" in said
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_curve_by_hand_says_what_is_not_capped(tmp_path: Path) -> None:
    _, said = run("show", str(curve(tmp_path, n=4.0)))
    assert "n            4 [2, 8]" in said
    assert "mu           not capped: still rising at 63" in said


GOOD = '{"prompt": 1, "proxy": [1, 2, 3, 4], "gold": [1, 2, 3, 4]}\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "cannot be read"),
        ("", "has the answers of 0 prompts; a fit needs at least 5"),
        (GOOD * 5, "has the answers of 1 prompts"),
        (GOOD + "nonsense\n", "line 2: the line"),
        ('{"prompt": 1, "proxy": [1, 2, 3, "x"], "gold": []}', "line 1: proxy.3"),
        ('{"prompt": 1, "proxy": [1, 2, 3], "gold": [1, 2, 3]}', "line 1: proxy"),
        (
            '{"prompt": 1, "proxy": [1, 2, 3, 4], "gold": [1]}',
            "line 1: gold: must have as many rewards as proxy, 4",
        ),
        (
            "".join(f'{{"prompt": {i}, "proxy": [1, 1, 1, 1], "gold": [1, 2, 3, 4]}}\n' for i in range(6)),
            "every answer has the same reward",
        ),
    ],
)
def test_a_file_without_answers_is_refused_by_line_and_field(
    text: str | None, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    if text is not None:
        path.write_text(text)
    code, said = run("fit", "--data", str(path), "--out", str(tmp_path / "out.json"))
    assert code == 1
    assert named in said.replace("\n", " ")
    assert not (tmp_path / "out.json").exists()


def test_what_is_no_curve_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"alias": "a", "method": "m", "largest_n": 1}')
    code, said = run("show", str(path))
    assert code == 1
    assert "is no strength curve: source" in said
