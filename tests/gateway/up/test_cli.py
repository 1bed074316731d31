"""What `trimtab up` says of a stack that cannot start: one message, at once."""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.up.cli import app

# The operator's own engine and reward server: then only the gateway is started.
CONFIG = """
engines: [{url: "http://127.0.0.1:9/v1"}]
reward: {url: "http://127.0.0.1:9"}
"""


def test_what_finds_its_port_taken_leaves_no_home_behind(tmp_path: Path) -> None:
    (tmp_path / "trimtab.yaml").write_text(CONFIG)
    home = tmp_path / "home"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 18471))
        taken.listen()
        told = ["--port", "18471", "--home", str(home), "--config", str(tmp_path / "trimtab.yaml")]
        assert CliRunner().invoke(app, told).exit_code == 1
    assert not home.exists()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("guards: {policy: nowhere.yaml}", "gateway does not start"),
        ("ledger: {url: 'postgresql://127.0.0.1:1/ledger'}", "is away"),
        ("home: trimtab.yaml", "File exists"),
    ],
)
def test_what_cannot_start_is_told_at_once(
    broken: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trimtab.yaml").write_text(CONFIG + broken)
    answer = CliRunner().invoke(app, ["--port", "18470"])
    assert answer.exit_code == 1
    assert said in answer.output.replace("\n", " ")
    assert "Traceback" not in answer.output
