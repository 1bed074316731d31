"""`trimtab policy`, as far as it needs no gateway: what it prints, and what its exit code says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guards.policy.cli import app

POLICY = """
name: small
version: 1
guards:
  - id: words
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    hazards:
      X.secret: {action: redact, threshold: 0.5}
      X.banned: {action: refuse, threshold: 0.5}
    config:
      patterns:
        codename: {hazard: X.secret, terms: [Blue Heron]}
        banned: {hazard: X.banned, terms: [forbidden]}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "small.yaml").write_text(POLICY)
    return str(tmp_path / "small.yaml")


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, args)
    return result.exit_code, result.output


def test_a_good_policy_is_fine(policy: str) -> None:
    code, shown = run("lint", policy, "--json")
    assert code == 0
    assert json.loads(shown)["ok"] is True


def test_a_broken_policy_is_refused_line_by_line(policy: str) -> None:
    Path(policy).write_text(
        POLICY.replace("on_error: closed", "").replace("terms: [forbidden]", "regex: '('")
    )
    code, shown = run("lint", policy)
    assert code == 1
    assert "small.yaml:5:5:guards[0].on_error:isrequired" in "".join(shown.split())


def test_the_policy_is_shown_with_its_hash(policy: str) -> None:
    code, shown = run("show", "--policy", policy, "--json")
    assert code == 0
    assert len(json.loads(shown)["hash"]) == 64


def test_what_a_policy_says_of_parts_that_no_guard_reads_is_shown(policy: str) -> None:
    Path(policy).write_text(POLICY + "unscanned: {image: flag}\n")
    assert "no guard reads: default: refuse, image: flag" in run("show", "--policy", policy)[1]
