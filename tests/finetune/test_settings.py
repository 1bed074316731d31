"""The learning loop's settings."""

from dataclasses import replace
from pathlib import Path

import pytest

from finetune.exams.board import EXAMS, POCKET_EXAMS, exams_of
from finetune.pairs.filters import POCKET_FILTERS, FilterRules
from finetune.pairs.make import MakeRules
from finetune.plan import plan_from
from finetune.settings import SettingsInvalid, load_finetune_settings, load_situation
from finetune.train.contract import POCKET, Recipe
from gateway.up.credentials import Credentials

LEFT = Credentials("http://127.0.0.1:9000/v1", "sk-app", "http://127.0.0.1:9001", "sk-admin")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    path = folder / "trimtab.yaml"
    path.write_text(text)
    return path


def test_everything_has_a_default() -> None:
    plan = load_situation().plan
    assert plan.alias == "assistant"
    assert plan.fewest_pairs == load_finetune_settings().fewest_pairs


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "finetune: {fewest_pairs: 5, recipe: {rank: 4, beta: 0.2}}")
    monkeypatch.setenv("TRIMTAB_FINETUNE_FEWEST_PAIRS", "7")
    monkeypatch.setenv("TRIMTAB_FINETUNE_RECIPE__RANK", "8")
    told = load_finetune_settings(path)
    assert (told.fewest_pairs, told.recipe.rank, told.recipe.beta) == (7, 8, 0.2)


def test_the_pocket_policy_has_a_recipe_of_its_own_that_can_be_changed_in_part(tmp_path: Path) -> None:
    told = load_finetune_settings(written(tmp_path, "finetune: {recipe: {rank: 4}}"))
    assert told.recipe == replace(POCKET, rank=4)


def test_another_base_model_has_the_recipe_for_large_models(tmp_path: Path) -> None:
    told = load_finetune_settings(written(tmp_path, "finetune: {recipe: {base: some/model, rank: 4}}"))
    assert told.recipe == Recipe(base="some/model", rank=4)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("finetune: {fewest_pears: 5}", "finetune.fewest_pears"),
        ("finetune: {recipe: {rnak: 4}}", "finetune.recipe.rnak"),
        ("finetune: {bars: {length_ratio_low: wide}}", "finetune.bars.length_ratio_low"),
        ("finetune: 7", "finetune must hold settings"),
        ("finetune: {exam: [}", "cannot be read as YAML"),
    ],
)
def test_what_is_unknown_or_malformed_is_named(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(SettingsInvalid, match=names):
        load_finetune_settings(written(tmp_path, text))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("filters.refusals", "-3", "must be at least 0"),
        ("filters.refusals", ".nan", "must be a finite number"),
        ("filters.too_similar", "-1", "must be at least 0"),
        ("filters.key_share", "7", "must be at most 1"),
        ("filters.key_share", ".nan", "must be "),
        ("filters.longer_most", "0.2", "must be at least 0.5"),
        ("filters.pairs_per_prompt", "-4", "must be at least 1"),
        ("filters.balance", ".inf", "must be a finite number"),
        ("make.margin_sd", "-1", "must be at least 0"),
        ("draw.candidates", "0", "must be at least 1"),
        ("exam.samples", "0", "must be at least 1"),
        ("bars.benign_refusal_rise_at_most", "3", "must be at most 1"),
        ("bars.reward_gain_at_least", ".nan", "must be a finite number"),
    ],
)
def test_a_bound_that_bounds_nothing_is_named(tmp_path: Path, field: str, value: str, why: str) -> None:
    section, name = field.split(".")
    path = written(tmp_path, f"finetune: {{{section}: {{{name}: {value}}}}}")
    with pytest.raises(SettingsInvalid, match=rf"^\S+trimtab\.yaml: finetune\.{section}\.{name}: {why}"):
        load_finetune_settings(path)


def test_faults_of_a_file_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as complaint:
        load_finetune_settings(written(tmp_path, "finetune: {jobs: 0, recipe: {rnak: 4}}"))
    lines = str(complaint.value).splitlines()
    assert [line.split(": ")[:2] for line in sorted(lines)] == [
        [f"{tmp_path}/trimtab.yaml", "finetune.jobs"],
        [f"{tmp_path}/trimtab.yaml", "finetune.recipe.rnak"],
    ]


def test_a_fault_of_a_variable_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_FINETUNE_RECIPE__RANK", "many")
    with pytest.raises(
        SettingsInvalid, match=r"^TRIMTAB_FINETUNE_RECIPE__RANK: finetune\.recipe\.rank: must"
    ):
        load_finetune_settings(written(tmp_path, "finetune: {recipe: {rank: 4}}"))


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("TRIMTAB_FINETUNE__WATCH__MIN_NEW", "TRIMTAB_FINETUNE_WATCH__MIN_NEW_PAIRS"),
        ("TRIMTAB_FINETUNE__JOBS", "TRIMTAB_FINETUNE_JOBS"),
        ("TRIMTAB_FINETUNE_FEWEST_PEARS", "TRIMTAB_FINETUNE_FEWEST_PAIRS"),
    ],
)
def test_of_a_misspelt_variable_the_nearest_is_told(
    told: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(told, "7")
    with pytest.raises(SettingsInvalid, match=f"{told} is no setting; {meant} is one"):
        load_finetune_settings()


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_FINETUNE_FEWEST_PEARS", "7")
    with pytest.raises(SettingsInvalid, match="TRIMTAB_FINETUNE_FEWEST_PEARS"):
        load_finetune_settings()


def test_what_trimtab_up_left_tells_where_everything_is(tmp_path: Path) -> None:
    LEFT.save(tmp_path)
    found = load_situation(home=tmp_path)
    assert (found.admin_url, found.admin_key) == ("http://127.0.0.1:9001", "sk-admin")
    assert found.reward_url == "http://127.0.0.1:9003"


def test_what_is_told_wins_over_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LEFT.save(tmp_path)
    monkeypatch.setenv("TRIMTAB_FINETUNE_ADMIN_KEY", "sk-other")
    monkeypatch.setenv("TRIMTAB_FINETUNE_REWARD_URL", "http://reward:9")
    found = load_situation(home=tmp_path)
    assert (found.admin_key, found.reward_url) == ("sk-other", "http://reward:9")
    assert found.rankers == ("http://reward:9", "http://127.0.0.1:9003")


def test_a_plan_is_kept_whole() -> None:
    plan = load_situation().plan
    assert plan_from(plan.document()) == plan


def test_exams_that_the_file_does_not_name_keep_their_defaults(tmp_path: Path) -> None:
    text = "finetune: {exam: {samples: 2, exams: {sycophancy: {held: false}, forgetting: {most: 0.2}}}}"
    told = load_finetune_settings(written(tmp_path, text)).exam
    assert told.samples == 2
    assert told.exams["forgetting"]["most"] == 0.2
    assert exams_of(told).keys() == POCKET_EXAMS.keys() - {"sycophancy"}


def test_another_base_model_is_not_asked_what_the_pocket_policy_was_taught(tmp_path: Path) -> None:
    told = load_finetune_settings(written(tmp_path, "finetune: {recipe: {base: some/model}}"))
    assert told.exam.exams == EXAMS


def test_the_pocket_policy_learns_by_filters_of_its_own(tmp_path: Path) -> None:
    assert load_finetune_settings().filters == POCKET_FILTERS
    assert load_situation().plan.filters == POCKET_FILTERS
    assert POCKET_FILTERS.refusals == 1.25


def test_guards_doubts_label_for_the_pocket_policy_alone(tmp_path: Path) -> None:
    assert load_situation().plan.make.risk_nats == 3.0
    told = load_finetune_settings(written(tmp_path, "finetune: {recipe: {base: some/model}}"))
    assert told.make == MakeRules()


def test_of_its_filters_those_that_are_given_are_changed(tmp_path: Path) -> None:
    told = load_finetune_settings(written(tmp_path, "finetune: {filters: {quarantine_hours: 24}}"))
    assert told.filters == replace(POCKET_FILTERS, quarantine_hours=24)
    told = load_finetune_settings(written(tmp_path, "finetune: {filters: {refusals: 0}}"))
    assert told.filters == FilterRules()


def test_another_base_model_has_the_filters_of_large_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = written(tmp_path, "finetune: {recipe: {base: some/model}, filters: {key_share: 0.5}}")
    assert load_finetune_settings(named).filters == FilterRules(key_share=0.5)
    by_file = load_finetune_settings(written(tmp_path, ""), {"base": "some/model"})
    assert by_file.filters == FilterRules()
    monkeypatch.setenv("TRIMTAB_FINETUNE_RECIPE__BASE", "some/model")
    assert load_finetune_settings().filters == FilterRules()


def test_an_exam_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"finetune\.exam\.exams: there is no exam 'magic'"):
        load_finetune_settings(written(tmp_path, "finetune: {exam: {exams: {magic: {}}}}"))


def test_an_address_of_ray_that_cannot_be_joined_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"finetune\.jobs_on_ray: must be local, auto, HOST:PORT or"):
        load_finetune_settings(written(tmp_path, "finetune: {jobs_on_ray: 'http://head:8265'}"))


def test_the_command_line_says_who_makes_pairs_and_where(tmp_path: Path) -> None:
    path = written(tmp_path, "finetune: {jobs: 2, jobs_on_ray: auto}")
    asked, left = (load_situation(path).made_by(jobs, on_ray=bool(jobs)).settings for jobs in (8, None))
    assert (asked.jobs, asked.jobs_on_ray) == (8, "auto")
    assert (left.jobs, left.jobs_on_ray) == (2, "auto")


def test_on_ray_alone_is_a_ray_of_this_machine() -> None:
    assert load_situation().made_by(None, on_ray=True).settings.jobs_on_ray == "local"


def test_a_shared_gpu_needs_an_executor_whose_processes_end(tmp_path: Path) -> None:
    text = "finetune: {share_gpu: {engines: [a]}, executor: %s}"
    with pytest.raises(SettingsInvalid, match=r"finetune\.share_gpu: needs an executor"):
        load_finetune_settings(written(tmp_path, text % "local"))
    told = load_finetune_settings(written(tmp_path, text % "accelerate"))
    assert told.share_gpu.engines == ("a",)
