"""The script that says how an installation goes on."""

import os
import subprocess
from pathlib import Path

STAGE = Path(__file__).parent.parent / ".ci" / "stage"


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    told = {**os.environ, "STAGE_TELLS_EVERY": "0.2"}
    return subprocess.run(
        [str(STAGE), "a step", *command], env=told, capture_output=True, text=True, check=False
    )


def test_a_stage_says_what_is_done_that_it_goes_on_and_how_long_it_took() -> None:
    first, *between, last = run("sleep", "1").stdout.splitlines()
    assert first == "a step …"
    assert between
    assert all("goes on" in line for line in between)
    assert last.startswith("  done in ")


def test_a_stage_fails_as_its_command_does() -> None:
    failed = run("sh", "-c", "echo why >&2; exit 7")
    assert failed.returncode == 7
    assert failed.stderr.splitlines() == ["why", "  failed after 0 s"]


def test_a_command_gets_its_words_whole() -> None:
    assert "two words" in run("printf", "%s\n", "two words").stdout
