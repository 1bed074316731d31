"""`trimtab policy`, as far as it needs no gateway: what it prints, and what its exit code says."""

import json
from pathlib import Path

from typer.testing import CliRunner

from guards.policy.cli import app
from tests.guards.conftest import SMALL_POLICY


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, args)
    return result.exit_code, result.output


def test_a_good_policy_is_fine(policy: str) -> None:
    code, shown = run("lint", policy, "--json")
    assert code == 0
    assert json.loads(shown)["ok"] is True


def test_a_broken_policy_is_refused_line_by_line(policy: str) -> None:
    Path(policy).write_text(
        SMALL_POLICY.replace("on_error: closed", "").replace("terms: [forbidden]", "regex: '('")
    )
    code, shown = run("lint", policy)
    assert code == 1
    assert "small.yaml:5:5:guards[0].on_error:isrequired" in "".join(shown.split())


def test_the_policy_is_shown_with_its_hash(policy: str) -> None:
    code, shown = run("show", "--policy", policy, "--json")
    assert code == 0
    assert len(json.loads(shown)["hash"]) == 64


def test_what_a_policy_says_of_parts_that_no_guard_reads_is_shown(policy: str) -> None:
    Path(policy).write_text(SMALL_POLICY + "unscanned: {image: flag}\n")
    assert "no guard reads: default: refuse, image: flag" in run("show", "--policy", policy)[1]


def test_a_policys_cases_are_tried_one_by_one(policy: str) -> None:
    Path(policy).write_text(
        SMALL_POLICY
        + "cases:\n  - {text: forbidden, expect: refuse}\n  - {text: Blue Heron, expect: allow}\n"
    )
    code, shown = run("test", policy, "--json")
    assert code == 1
    told = json.loads(shown)
    assert [(one["action"], bool(one["faults"])) for one in told] == [("refuse", False), ("redact", True)]
    assert "1 of 2 cases hold" in run("test", policy)[1]


def test_a_policy_without_cases_is_told_how_to_write_some(policy: str) -> None:
    code, shown = run("test", policy)
    assert (code, "has no cases" in " ".join(shown.split())) == (0, True)


def test_a_policy_whose_cases_do_not_hold_is_refused(policy: str) -> None:
    Path(policy).write_text(SMALL_POLICY + "cases:\n  - {text: forbidden, expect: allow}\n")
    code, shown = run("lint", policy)
    assert (code, "cases[0]: 'forbidden': expected allow, and the policy says refuse" in shown) == (1, True)


def test_the_whole_policy_in_effect_can_be_read_and_used_again(policy: str, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: small\nversion: 1\nextends: small.yaml\n")
    whole = tmp_path / "whole.yaml"
    whole.write_text(run("show", "--policy", str(own), "--yaml")[1])
    hashes = [json.loads(run("lint", str(file), "--json")[1])["hash"] for file in (own, whole, Path(policy))]
    assert len(set(hashes)) == 1


def test_two_policies_are_compared(policy: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SMALL_POLICY.replace("threshold: 0.5}", "threshold: 0.7}", 1))
    code, shown = run("diff", policy, str(other), "--json")
    assert code == 1
    assert [one["place"] for one in json.loads(shown)] == ["guards.words.hazards.X.secret"]
    assert run("diff", policy, policy) == (0, "the two say the same\n")


def test_the_schema_is_printed(policy: str) -> None:
    assert json.loads(run("schema")[1])["title"] == "Trimtab guard policy"


def test_what_a_guard_waits_for_and_what_is_added_is_shown(policy: str, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "name: own\nversion: 1\nextends: small.yaml\nadditions: [{text: Ask a doctor.}]\n"
        "refusal: {texts: {de: Nein.}}\nguards:\n"
        "  - {id: words, unsure: {from: 0.2, to: 0.8, ask: second}}\n"
        "  - {id: second, kind: classifier, where: [prompt, reply], turns: all, on_error: open, "
        "hazards: {G.unsafe: {action: flag}}}\n"
    )
    shown = " ".join(run("show", "--policy", str(own))[1].split())
    assert "added to replies: Ask a doctor." in shown
    assert "also in de" in shown
    assert "0.2 to 0.8" in shown
