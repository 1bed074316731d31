"""`trimtab reward`, as a person types it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rewardserve.cli import app

COMMAND = [sys.executable, "-m", "gateway", "reward"]


def test_answers_are_ranked(tiny: Path) -> None:
    done = CliRunner().invoke(app, ["score", "How?", "Take flour.", "No.", "--model", str(tiny), "--json"])
    answer = json.loads(done.stdout)
    rewards = [row["reward"] for row in answer["ranked"]]
    assert answer["model"] == "tiny"
    assert rewards == sorted(rewards, reverse=True)
    assert {row["candidate"] for row in answer["ranked"]} == {"Take flour.", "No."}


def test_a_table_shows_every_answer(tiny: Path) -> None:
    done = CliRunner().invoke(app, ["score", "How?", "Take flour.", "No.", "--model", str(tiny)])
    assert done.exit_code == 0
    assert "Take flour." in done.stdout
    assert "No." in done.stdout


def test_what_cannot_be_scored_says_why(tiny: Path) -> None:
    done = CliRunner().invoke(app, ["score", "How?", "long " * 900, "--model", str(tiny)])
    assert done.exit_code == 2
    assert "at most 512" in done.stderr


@pytest.mark.parametrize("command", [["serve"], ["score", "How?", "So."]])
def test_a_missing_model_is_told(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--model", "/nowhere/at/all"])
    assert (done.exit_code, "there is no folder /nowhere/at/all" in done.stderr) == (2, True)


def test_a_wrong_option_names_its_setting(tiny: Path) -> None:
    done = CliRunner().invoke(app, ["serve", "--model", str(tiny), "--port", "70000"])
    assert (done.exit_code, "TRIMTAB_REWARDSERVE_PORT" in done.stderr) == (2, True)


def test_a_taken_port_is_told(tiny: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(app, ["serve", "--model", str(tiny), "--port", port])
    assert (done.exit_code, f"cannot listen on 127.0.0.1 port {port}" in done.stderr) == (2, True)


def test_help_does_not_load_torch() -> None:
    program = (
        "import sys, rewardserve.cli, rewardserve.client, rewardserve.app; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.slow  # a process that imports torch
def test_it_serves_until_it_is_told_to_stop(tiny: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*COMMAND, "serve", "--model", str(tiny), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            url = announced(server)
            body = {
                "conversations": [{"messages": [{"role": "user", "content": "How?"}], "candidates": ["So."]}]
            }
            with urllib.request.urlopen(f"{url}/v1/score", json.dumps(body).encode(), timeout=20) as answer:
                assert len(json.loads(answer.read())["rewards"][0]) == 1
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) in (0, -signal.SIGTERM)
        finally:
            server.kill()


def announced(server: "subprocess.Popen[str]") -> str:
    """The URL that the server prints once it listens."""
    assert server.stderr is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        line = server.stderr.readline()
        if "http://" in line:
            return line[line.index("http://") :].split()[0]
    raise TimeoutError
