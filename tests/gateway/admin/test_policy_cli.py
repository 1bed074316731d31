"""`trimtab policy` against a running gateway: activate, list, restore, shadow, clear."""

import json

import pytest
from typer.testing import CliRunner

from gateway.policies.cli import app
from tests.fakes.engine import fake_engine
from tests.gateway.admin.conftest import House, open_house
from tests.gateway.admin.test_policies import CONFIGURED, POLICY, answer_to


@pytest.fixture
def house(tmp_path):
    (tmp_path / "policy.yaml").write_text(CONFIGURED)
    with fake_engine() as (engine, behind):
        opened = open_house(tmp_path, behind.url, engine, guards={"policy": tmp_path / "policy.yaml"})
        with opened as house:
            yield house


@pytest.fixture
def draft(tmp_path):
    (tmp_path / "draft.yaml").write_text(POLICY.format(name="draft", word="haddock"))
    return str(tmp_path / "draft.yaml")


def run(house: House, *args: str, role: str = "operator") -> tuple[int, str]:
    environment = {"TRIMTAB_ADMIN_URL": house.server.url, "TRIMTAB_ADMIN_KEY": house.keys[role]}
    result = CliRunner().invoke(app, args, env=environment)
    return result.exit_code, result.output


def test_a_file_is_put_in_force(house, draft):
    code, shown = run(house, "activate", draft)
    assert (code, "draft version 1" in shown, "is in force" in shown) == (0, True, True)
    assert answer_to(house, "a haddock") == "Not here."


def test_what_it_extends_is_sent_along(house, draft, tmp_path):
    (tmp_path / "inner").mkdir()
    own = tmp_path / "inner" / "own.yaml"
    own.write_text("name: own\nversion: 1\nextends: ../draft.yaml\n")
    assert run(house, "activate", str(own))[0] == 0
    assert answer_to(house, "a haddock") == "Not here."


def test_a_bad_policy_is_told_and_the_old_one_stays(house, draft, tmp_path):
    (tmp_path / "draft.yaml").write_text("name: draft\nversion: 1\nmood: good\n")
    code, shown = run(house, "activate", draft)
    assert (code, "mood: is no field" in shown) == (1, True)
    assert answer_to(house, "a herring") == "Not here."


def test_kept_policies_are_listed_and_any_is_restored(house, draft):
    run(house, "activate", draft)
    code, shown = run(house, "list", "--json")
    assert code == 0
    assert [(row["number"], row["name"], row["active"]) for row in json.loads(shown)] == [
        (2, "draft", True),
        (1, "configured", False),
    ]
    assert run(house, "restore", "1")[0] == 0
    assert answer_to(house, "a haddock") == "Hello there."
    assert " all " in run(house, "list")[1]


def test_a_policy_is_restored_by_its_name(house, draft):
    run(house, "activate", draft)
    assert run(house, "restore", "configured")[0] == 0
    assert answer_to(house, "a haddock") == "Hello there."
    code, shown = run(house, "restore", "drafty")
    assert (code, "no policy is known as 'drafty'" in shown) == (1, True)


def test_of_several_with_one_name_the_last_in_force_is_restored(house, draft, tmp_path):
    run(house, "activate", draft)
    (tmp_path / "draft.yaml").write_text(POLICY.format(name="draft", word="whiting"))
    run(house, "activate", draft)
    run(house, "restore", "2")
    run(house, "restore", "configured")
    assert run(house, "restore", "draft")[0] == 0
    assert answer_to(house, "a haddock") == "Not here."
    assert answer_to(house, "a whiting") == "Hello there."


def test_an_alias_gets_a_policy_and_loses_it(house, draft):
    assert run(house, "activate", draft, "--alias", "assistant")[0] == 0
    assert answer_to(house, "a haddock") == "Not here."
    assert run(house, "clear", "--alias", "assistant")[0] == 0
    assert answer_to(house, "a haddock") == "Hello there."


def test_a_shadow_is_shown(house, draft):
    assert "no policy looks on" in run(house, "shadow")[1]
    run(house, "activate", draft, "--shadow")
    assert json.loads(run(house, "shadow", "--json")[1])["counts"] == []


def test_a_viewer_may_look_and_not_touch(house, draft):
    code, shown = run(house, "activate", draft, role="viewer")
    assert (code, "operator" in shown) == (1, True)
    assert run(house, "list", role="viewer")[0] == 0


def test_without_an_address_it_says_what_to_say(tmp_path):
    result = CliRunner().invoke(app, ["list", "--home", str(tmp_path)], env={"TRIMTAB_ADMIN_URL": ""})
    assert result.exit_code == 1
    assert "say --admin URL" in result.output
