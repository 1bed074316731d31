"""The policies that come with Trimtab: each loads, keeps its own cases, and is what the schema says policies are."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from guards.acceptance import accept
from guards.kinds import installed_kinds
from guards.policy.extends import BUNDLED, bundled_names
from guards.policy.load import load_policy
from guards.policy.schema import schema_of
from guards.screen import Screen
from guards.verdict import Action, Segment

each_policy = pytest.mark.parametrize("name", bundled_names())


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return schema_of(installed_kinds())


def test_there_is_one_for_each_domain() -> None:
    assert bundled_names() == ["brand", "children", "default", "developer", "finance", "medical"]


@each_policy
async def test_every_case_holds(name: str) -> None:
    screen = Screen(load_policy(name))
    assert await accept(screen) == []
    assert len(screen.policy.document.cases) >= 5


@each_policy
def test_its_cases_show_what_passes_and_what_does_not(name: str) -> None:
    expected = {case.expect for case in load_policy(name).document.cases}
    assert "allow" in expected
    assert expected - {"allow"}


@each_policy
def test_it_is_what_the_schema_says(name: str, schema: dict[str, Any]) -> None:
    jsonschema.validate(yaml.safe_load((BUNDLED / f"{name}.yaml").read_text()), schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 0},
        {"colour": "red"},
        {"guards": [{"id": "a", "kind": "patterns", "config": {"sets": "secrets"}}]},
        {"guards": [{"id": "a", "where": ["sideways"]}]},
        {"guards": [{"id": "a", "hazards": {"hte": {"threshold": 2}}}]},
        {"cases": [{"text": "x", "expect": "maybe"}]},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(wrong: dict[str, Any], schema: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "a", "version": 1, "extends": "default", **wrong}, schema)


def test_the_published_schema_is_the_one_that_the_code_makes(schema: dict[str, Any]) -> None:
    published = Path(__file__).parents[3] / "deploy" / "guard-policy.schema.json"
    assert json.loads(published.read_text()) == schema, (
        "make it anew: trimtab policy schema > deploy/guard-policy.schema.json"
    )


@pytest.mark.parametrize(
    ("name", "text", "action"),
    [
        ("children", "Which slot machine is the oldest?", Action.REFUSE),
        ("default", "Which slot machine is the oldest?", Action.ALLOW),
        ("finance", "Is structuring deposits legal?", Action.REFUSE),
        ("developer", "How do reverse shells work?", Action.ALLOW),
    ],
)
async def test_domains_differ_in_what_passes(name: str, text: str, action: Action) -> None:
    assert (await Screen(load_policy(name)).prompt([Segment(text, "prompt")])).action is action


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("Drink a lot of water and rest.", True),
        ("If it does not pass, please see your doctor.", False),
        ("Talk to a pharmacist before you take both.", False),
        ("A doctor wrote this book.", True),
    ],
)
def test_the_medical_policy_adds_its_advice_where_a_reply_has_none(reply: str, wanted: bool) -> None:
    (addition,) = load_policy("medical").document.additions
    assert addition.wanted(reply) is wanted
