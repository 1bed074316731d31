"""The process itself: what the supervisor starts."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.engines.pocket.cli import app


def test_help_names_every_option() -> None:
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert all(
        option in said
        for option in ("--model", "--port", "--served-model-name", "--max-batch-tokens", "--seed")
    )


def test_a_port_in_use_is_told_before_the_model_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "cannot listen on" in result.output


def test_a_directory_without_a_model_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--port", "0", "--model", str(tmp_path)])
    assert result.exit_code == 1
    assert "cannot serve" in result.output


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_stop(policy: Path) -> None:
    command = [sys.executable, "-m", "gateway", "engine", "--model", str(policy), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert urllib.request.urlopen(url.removesuffix("/v1") + "/health").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) in {0, -signal.SIGTERM}
