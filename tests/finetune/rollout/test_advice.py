"""What to try where the gate keeps a version out."""

from dataclasses import fields
from pathlib import Path

import pytest

from finetune.pairs.filters import FilterRules
from finetune.rollout.advice import ADVICE, WHERE, advice_on
from finetune.train.contract import Recipe

DOCS = (Path(__file__).parents[3] / "docs" / "gate.md").read_text()


def test_over_refusal_is_answered_by_the_balance_of_refusals() -> None:
    (told,) = advice_on(["over_refusal"])
    assert told.startswith("over_refusal: ")
    assert "finetune.filters.refusals" in told


def test_a_code_without_advice_of_its_own_has_that_of_its_family() -> None:
    assert "finetune.recipe" not in advice_on(["over_refusal.borderline"])[0]
    assert advice_on(["over_refusal.borderline"])[0].startswith("over_refusal.borderline: ")


def test_what_two_codes_say_is_told_once() -> None:
    assert len(advice_on(["over_refusal", "over_refusal.bound"])) == 1


def test_of_a_code_that_nobody_knows_nothing_is_said() -> None:
    assert advice_on(["somebody.elses"]) == ()


@pytest.mark.parametrize("code", ADVICE)
def test_every_code_with_advice_is_in_the_docs(code: str) -> None:
    assert f"`{code}" in DOCS


@pytest.mark.parametrize("code", ADVICE)
def test_every_setting_that_it_names_is_there(code: str) -> None:
    named = [word.strip(",;()") for word in ADVICE[code].split() if word.strip("(").startswith("finetune.")]
    known = {f"finetune.recipe.{field.name}" for field in fields(Recipe)}
    known |= {f"finetune.filters.{field.name}" for field in fields(FilterRules)}
    assert set(named) <= known | {"finetune.exam.prompts"}


def test_the_docs_have_the_part_that_it_leads_to() -> None:
    assert WHERE == "docs/gate.md#what-to-do"
    assert "\n## What to do\n" in DOCS
