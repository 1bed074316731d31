"""Recipes' files: what they mean, and how a fault in one is told."""

from pathlib import Path

import pytest

from finetune.errors import RecipeInvalid
from finetune.recipes.reading import bundled, read_recipe, summary_of
from finetune.train.contract import POCKET, Recipe


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_what_is_not_written_is_the_packaged_models_own(tmp_path: Path) -> None:
    told = read_recipe(written(tmp_path, "method: kto\nrank: 4\n"))
    assert told.recipe.learning_rate == POCKET.learning_rate
    assert (told.recipe.method, told.recipe.rank) == ("kto", 4)
    assert told.fields == {"method": "kto", "rank": 4}


def test_another_base_has_the_defaults_for_large_models(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "base: some/model\n")).recipe == Recipe(base="some/model")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("method: dpo\nrnak: 4\n", "mine.yaml:2:1: rnak: is no field here; the fields here are base, method"),
        ("rank: many\n", "mine.yaml:1:1: rank: must be a whole number"),
        ("method: ppo\n", "mine.yaml:1:1: method: must be 'dpo'"),
        ("epochs: 0\n", "mine.yaml:1:1: epochs: must be more than 0"),
        ("losses:\n  sigmiod: 1\n", "mine.yaml:2:3: losses.sigmiod: must be 'sigmoid'"),
        ("method: kto\nlosses: {ipo: 1}\n", "mine.yaml:2:1: losses: only method dpo mixes losses"),
        ("method: grpo\nbatch_size: 6\n", "mine.yaml:2:1: batch_size: must be a multiple of generations, 8"),
        ("rank: 128\n", "mine.yaml:1:1: rank: 128 is larger than max_rank"),
        ("beta: 0\n", "mine.yaml:1:1: beta: dpo needs more than 0"),
        ("epochs: .inf\n", "mine.yaml:1:1: epochs: must be a finite number"),
        ("learning_rate: .inf\n", "mine.yaml:1:1: learning_rate: must be a finite number"),
        ("beta: .inf\n", "mine.yaml:1:1: beta: must be a finite number"),
        ("ballast: .nan\n", "mine.yaml:1:1: ballast: must be a finite number"),
        ("alarm_nats: -5\n", "mine.yaml:1:1: alarm_nats: must be more than 0"),
        ("losses: {sft: 1, sigmoid: -1}\n", "mine.yaml:1:18: losses.sigmoid: must be at least 0"),
        (
            "method: kto\nbatch_size: 1\n",
            "mine.yaml:2:1: batch_size: kto sets each row beside another's answer",
        ),
        ("method: [\n", "mine.yaml:2:1: not YAML"),
        ("- dpo\n", "mine.yaml:1: a recipe holds fields by name"),
        ("", "mine.yaml:1: a recipe holds fields by name"),
    ],
)
def test_a_fault_is_told_with_its_place_and_field(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        read_recipe(written(tmp_path, text))
    assert str(refused.value).removeprefix(f"{tmp_path}/").startswith(told)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        read_recipe(written(tmp_path, "rank: 0\nbeta: -1\n"))
    assert [line.split(": ")[1] for line in str(refused.value).splitlines()] == ["rank", "beta"]


def test_a_name_that_nothing_has_tells_those_that_there_are() -> None:
    with pytest.raises(RecipeInvalid, match=r"no file nope.*bundled are .*dpo.*grpo.*kto.*rloo.*sft"):
        read_recipe("nope")


@pytest.mark.parametrize("path", list(bundled()), ids=lambda path: path.stem)
def test_a_bundled_recipe_is_sound_and_says_what_it_is_for(path: Path) -> None:
    assert read_recipe(path.stem).recipe.method in path.stem
    assert summary_of(path).endswith(".")


def test_every_method_has_a_bundled_recipe() -> None:
    assert {read_recipe(path.stem).recipe.method for path in bundled()} == {
        "dpo",
        "kto",
        "sft",
        "grpo",
        "rloo",
    }
