"""`trimtab guards score` as it is used: files, pipes, several processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guards.screen import Screen
from guards.verdict import Segment

COMMAND = [sys.executable, "-c", "from guards.cli import app; app()", "score"]
ROWS = [{"id": "a", "text": "Blue Heron"}, {"id": "b", "text": "forbidden"}, {"id": "c", "text": "fine"}]


def lines(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def run(*args: str, given: str = "") -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run([*COMMAND, *args], check=False, input=given, capture_output=True, text=True)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_each_row_is_told_with_verdicts_scores_and_spans(policy: str) -> None:
    code, told, said = run("--policy", policy, given=lines(*ROWS))
    assert (code, said) == (0, "")
    assert [row["id"] for row in told] == ["a", "b", "c"]
    assert [row["action"] for row in told] == ["redact", "refuse", "allow"]
    assert told[0]["scores"] == {"X.secret": 1.0} or 0.5 <= told[0]["scores"]["X.secret"] <= 1
    assert told[0]["verdicts"][0]["guard"] == "words"
    assert told[0]["verdicts"][0]["spans"][0]["end"] == 10
    assert told[0]["findings"][0]["hazard"] == "X.secret"
    assert told[2]["verdicts"][0]["scores"] == {}


def test_a_call_is_judged_by_the_tools_that_its_row_names(tmp_path: Path) -> None:
    (tmp_path / "tools.yaml").write_text(
        "name: t\nversion: 1\nguards:\n  - {id: calls, kind: tool_calls, where: [tool_call], on_error: closed,"
        " hazards: {G.tool_misuse: {action: refuse}}, config: {only_declared: true}}\n"
    )
    call = {"text": "{}", "direction": "tool_call", "tool": "pay"}
    rows = [call | {"tools": tools} for tools in (["pay"], ["search"], [])]
    code, told, _ = run("--policy", str(tmp_path / "tools.yaml"), given=lines(*rows))
    assert code == 0
    assert [row["action"] for row in told] == ["allow", "refuse", "refuse"]


def test_a_bad_row_is_told_in_its_place_and_the_rest_goes_on(policy: str) -> None:
    code, told, _ = run("--policy", policy, given=lines(ROWS[0], "nonsense", ROWS[1]))
    assert code == 1
    assert told[1] == {"id": None, "line": 2, "error": {"field": "line", "message": "is not JSON"}}
    assert [row["id"] for row in told] == ["a", None, "b"]


def test_a_strict_run_stops_at_the_first_bad_row(policy: str) -> None:
    code, told, said = run("--policy", policy, "--strict", given=lines(ROWS[0], "nonsense", ROWS[1]))
    assert code == 1
    assert [row["id"] for row in told] == ["a"]
    assert said == "line 2: line: is not JSON\n"


def test_several_processes_keep_the_order(policy: str) -> None:
    given = lines(*({"id": number, "text": f"text {number}"} for number in range(1500)))
    code, told, _ = run("--policy", policy, "--jobs", "2", given=given)
    assert code == 0
    assert [row["id"] for row in told] == list(range(1500))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_reader_that_leaves_ends_it_quietly(policy: str, jobs: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "--policy", policy, "--jobs", jobs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(lines(ROWS[0]).encode())
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write(lines(ROWS[0]).encode())
        process.stdin.flush()
        assert process.wait() == 141  # though more could come
        assert process.stderr.read() == b""


def test_a_file_that_is_not_there_is_told(policy: str, tmp_path: Path) -> None:
    code, told, said = run(str(tmp_path / "none.jsonl"), "--policy", policy)
    assert (code, told) == (1, [])
    assert "cannot be read" in said


async def test_a_screening_says_which_verdict_is_whose(policy: str) -> None:
    from guards.policy.load import load_policy

    screen = Screen(load_policy(policy))
    screening = await screen.prompt([Segment("Blue Heron", "prompt"), Segment("x", "prompt", "system")])
    assert screening.parts == ("content", "system")
    assert screening.shares == (1, 1)
    assert list(screening.panel) == ["words"]
