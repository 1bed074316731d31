"""`trimtab guards`: what it prints, and what its exit code says."""

import json
from pathlib import Path

from typer.testing import CliRunner

from guards.cli import app
from tests.fakes.service import completion, service_apart


def run(*args: str, text: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, args, input=text)
    return result.exit_code, result.output


def test_a_text_is_screened_and_shown_as_it_may_pass(policy: str) -> None:
    code, shown = run("check", "The Blue Heron flies", "--policy", policy)
    assert code == 0
    assert "redact" in shown
    assert "The [codename removed] flies" in shown


def test_what_may_not_pass_ends_with_its_own_code(policy: str) -> None:
    code, shown = run("check", "forbidden words", "--policy", policy)
    assert code == 3
    assert "forbidden words" not in shown


def test_json_is_one_object_and_reads_standard_input(policy: str) -> None:
    code, shown = run("check", "-", "--policy", policy, "--where", "reply", "--json", text="Blue Heron")
    told = json.loads(shown)
    assert code == 0
    assert (told["action"], told["text"]) == ("redact", "[codename removed]")
    assert told["verdicts"][0]["spans"] == [
        {"start": 0, "end": 10, "hazard": "X.secret", "label": "codename", "view": "raw"}
    ]


def test_a_side_that_is_none_is_refused(policy: str) -> None:
    assert run("check", "x", "--policy", policy, "--where", "sideways")[0] == 2


MODELLED = """
name: modelled
version: 1
deadline_ms: 20000
guards:
  - id: model
    kind: guard_model
    where: [prompt]
    on_error: closed
    timeout_ms: 10000
    hazards: {G.unsafe: {action: refuse}}
    config: {service: judges, model: any, family: llama_guard}
"""


def test_a_service_can_be_told_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "modelled.yaml").write_text(MODELLED)
    with service_apart(lambda path, body: completion(["unsafe"], told=False)) as fake:
        service = ("--service", f"judges={fake.url}")
        code, said = run("check", "a text", "--policy", str(tmp_path / "modelled.yaml"), *service)
    assert (code, "action: refuse" in said) == (3, True)


def test_a_service_that_is_told_of_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "modelled.yaml").write_text(MODELLED)
    code, said = run("check", "a text", "--policy", str(tmp_path / "modelled.yaml"))
    assert code == 1
    assert "guards[0].config.service: there is no service of this name" in said
    code, said = run("check", "a text", "--service", "judges")
    assert (code, "NAME=URL" in said) == (2, True)
