"""Looking around in a folder where nothing was done yet: no file is made, and it is said what to do."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from finetune.cli import app as finetune
from gateway.policies.cli import app as policy
from gateway.serving.cli import app as gateway
from gateway.tenants.cli import app as keys
from guards.cli import app as guards


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("app", "words", "code", "advice"),
    [
        (keys, "list", 1, "trimtab keys create NAME"),
        (keys, "set key-0 --expires 1d", 1, "trimtab keys create NAME"),
        (keys, "rotate key-0", 1, "trimtab keys create NAME"),
        (keys, "revoke key-0", 1, "trimtab keys create NAME"),
        (finetune, "pairs", 2, "start `trimtab up`"),
        (finetune, "status --json", 2, "start `trimtab up`"),
        (finetune, "run", 2, "start `trimtab up`"),
        (finetune, "run --dry-run", 2, "start `trimtab up`"),
        (finetune, "train dpo", 2, "start `trimtab up`"),
        (finetune, "rollout list", 2, "start `trimtab up`"),
        (finetune, "dataset list", 2, "start `trimtab up`"),
        (guards, "check hello", 0, "action: allow"),
        (policy, "show", 0, "harmful"),
        (policy, "lint nowhere.yaml", 1, "cannot be read"),
        (policy, "list", 1, "say --admin URL"),
        (policy, "backtest default", 1, "there is no ledger"),
        (gateway, "serve", 2, "say --engine"),
        (gateway, "check", 0, "are sound"),
    ],
)
def test_nothing_is_made_and_it_is_said_what_to_do(
    app: typer.Typer, words: str, code: int, advice: str, folder: Path
) -> None:
    said = CliRunner().invoke(app, words.split(), env={"COLUMNS": "200"})
    assert (said.exit_code, list(folder.iterdir())) == (code, []), said.output
    assert advice in said.output
