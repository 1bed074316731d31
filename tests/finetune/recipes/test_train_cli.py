"""`trimtab finetune train` and `recipes`, as typed: files and ledgers are real, and so is the training."""

import asyncio
import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import insert, update
from typer.testing import CliRunner

from finetune.cli import app
from finetune.pairs.dataset import freeze
from finetune.pairs.datasets import enter
from finetune.pairs.pair import Pair, Provenance
from finetune.recipes.reading import bundled, read_recipe, summary_of
from finetune.train.contract import Recipe
from gateway.admin.weights.files import INDEX, holds_model
from gateway.artifacts.contents import digest_in
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.learning_tables import DatasetRow, FeedbackRow
from tests.fakes.engine import fake_engine
from tests.fakes.exchanges import benign
from tests.gateway.admin.conftest import open_house

ROWS = [
    {"prompt": f"How do I do number {i}?", "chosen": "I am sorry, but I cannot.", "rejected": f"Take {i}."}
    for i in range(16)
]
SHORT = "rank: 4\nepochs: 1\nbatch_size: 8\nmax_length: 64\ndevice: cpu\ncheckpoint_steps: 0\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "mine.yaml").write_text("method: dpo\n" + SHORT)
    return tmp_path / ".trimtab"


def asked(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


def told(*words: str) -> Any:
    return json.loads(asked(*words, "--json"))


def test_thumbs_are_frozen_by_a_command_and_learnt_by_kto_alone(home: Path) -> None:
    async def rated() -> None:
        async with Database(f"sqlite:///{home}/ledger.db") as database:
            await Intake(database).take([benign(1)])
            word = {
                "exchange_id": "good-1",
                "kind": "thumb",
                "value": 1.0,
                "key_id": "k",
                "role": "application",
            }
            async with database.write() as connection:
                word |= {"id": "fb-1", "created_at": datetime.now(UTC)}
                await connection.execute(insert(FeedbackRow).values(**word))

    home.mkdir()
    asyncio.run(rated())
    frozen = told("dataset", "thumbs")
    assert frozen["rows"] == 1
    assert told("train", "kto", "--data", frozen["sha256"], "--dry-run")["rows"] == 1
    assert "method kto alone" in asked("train", "dpo", "--data", frozen["sha256"], "--dry-run", code=2)


def test_a_dataset_of_pairs_and_ratings_is_learnt_by_kto_alone(home: Path) -> None:
    name = keep(home, rated=4)
    assert told("train", "kto", "--dry-run")["rows"] == 16
    assert "method kto alone" in asked("train", "dpo", "--data", name, "--dry-run", code=2)
    assert "has no dataset yet" in asked("train", "dpo", "--dry-run", code=2)


def keep(home: Path, rated: int = 0, **changes: Any) -> str:
    """A dataset in the ledger, of whose rows some are ratings; its name."""
    source = Provenance("e", "k", "v0", "p", "guard:classifier", "vcr", 1.0, -1.0)
    asks = [({"role": "user", "content": row["prompt"]},) for row in ROWS]
    said = ["" if number < rated else "Sure." for number in range(len(asks))]
    pairs = [Pair(ask, "I am sorry.", worse, "safety", source) for ask, worse in zip(asks, said, strict=True)]
    dataset = freeze(pairs, home / "datasets", {})

    async def entered() -> None:
        async with Database(f"sqlite:///{home}/ledger.db") as database, database.write() as connection:
            await enter(connection, dataset, [])
            if changes:
                await connection.execute(update(DatasetRow).values(**changes))

    asyncio.run(entered())
    return dataset.sha256


def test_the_bundled_recipes_are_listed_and_reward_models_pointed_to() -> None:
    listed = asked("recipes")
    assert "\ndpo-full " in f"\n{listed}"
    assert "trimtab reward train" in listed
    assert "rloo" in told("recipes")


@pytest.mark.parametrize("path", tuple(bundled()), ids=lambda path: path.stem)
def test_a_recipe_is_printed_to_be_changed(path: Path) -> None:
    Path("mine.yaml").write_text(asked("recipes", path.stem))
    printed = Path("mine.yaml").read_text()
    assert printed.startswith(f"# {summary_of(path)}\n")
    assert read_recipe("mine.yaml").fields == read_recipe(path.stem).fields
    Path("mine.yaml").write_text(re.sub(r"^# (?=[a-z_]+: )", "", printed, flags=re.MULTILINE))
    assert read_recipe("mine.yaml").recipe == read_recipe(path.stem).recipe
    assert set(read_recipe("mine.yaml").fields) == set(asdict(Recipe()))


def test_a_field_is_shown_with_its_value_its_meaning_and_whether_it_is_a_default() -> None:
    printed = asked("recipes", "kto")
    assert re.search(r"^learning_rate: 0\.001 +# At its highest", printed, re.MULTILINE)
    assert re.search(r"^# max_length: 256 +# Tokens of prompt and answer", printed, re.MULTILINE)
    fields = told("recipes", "kto")
    assert fields["beta"] == {
        "value": 0.02,
        "default": False,
        "meaning": "How firmly the policy is held to its anchor.",
    }
    assert (fields["seed"]["default"], fields["seed"]["meaning"]) == (True, None)


def test_the_defaults_shown_are_those_of_the_model() -> None:
    Path("mine.yaml").write_text("# Mine.\nbase: somebody/some-model\nlosses: {sigmoid: 0.8, sft: 1.0}\n")
    printed = asked("recipes", "mine.yaml")
    assert re.search(r"^losses: {sigmoid: 0.8, sft: 1.0} +# Of dpo", printed, re.MULTILINE)
    assert re.search(r"^# learning_rate: 1.0e-05 ", printed, re.MULTILINE)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(home: Path) -> None:
    plan = told("train", "dpo-full", "--data", "pairs.jsonl", "--dry-run")
    assert (plan["method"], plan["weights"], plan["rows"]) == ("dpo", "full", 16)
    assert plan["starts_from"] == "the bare base model"
    assert "data: 16 rows of pairs.jsonl" in asked("train", "dpo", "--data", "pairs.jsonl", "--dry-run")
    assert not home.exists()


@pytest.mark.parametrize("text", ["method: dpo\nrnak: 4\n", "method: [\n"])
def test_a_wrong_recipe_ends_with_2_and_writes_nothing(text: str, home: Path) -> None:
    Path("mine.yaml").write_text(text)
    assert "mine.yaml:2:1: " in asked("train", "mine.yaml", "--data", "pairs.jsonl", code=2)
    assert not home.exists()


def test_wrong_data_ends_with_2_and_writes_nothing(home: Path) -> None:
    Path("bad.jsonl").write_text('\n{"prompt": "How?"}\n{"prompt\n')
    told = asked("train", "mine.yaml", "--data", "bad.jsonl", code=2)
    assert "bad.jsonl, line 2: method dpo learns from" in told
    assert "bad.jsonl, line 3: no JSON: " in told
    assert "gone.jsonl cannot be read" in asked("train", "mine.yaml", "--data", "gone.jsonl", code=2)
    assert not home.exists()


def test_of_many_wrong_rows_the_first_are_told_and_the_rest_counted() -> None:
    wrong = pa.Table.from_pylist([{"prompt": "How?", "chosen": None if i else "So."} for i in range(14)])
    parquet.write_table(wrong, "bad.parquet")
    told = asked("train", "mine.yaml", "--data", "bad.parquet", code=2).splitlines()
    assert told[0].startswith("bad.parquet, row 1: ")
    assert told[9].startswith("bad.parquet, row 10: ")
    assert told[10:] == ["and 4 more"]


def test_what_is_no_dataset_ends_with_2(home: Path) -> None:
    assert "there is no ledger" in asked("train", "mine.yaml", code=2)
    keep(home)
    assert "no dataset's name begins with 'nope'" in asked("train", "mine.yaml", "--data", "nope", code=2)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([], "there is no directory"),
        (["README"], "holds no model: there is no config.json"),
        (["config.json"], "holds no model's weights: there is neither model.safetensors nor"),
        (["config.json", INDEX], "holds no model's weights: there is no two.safetensors"),
        (["adapter_config.json", "config.json"], "holds an adapter"),
    ],
)
def test_a_base_that_is_no_model_is_told_with_its_field(
    files: list[str], why: str, tmp_path: Path, home: Path
) -> None:
    base = tmp_path / "yours"
    for name in files:
        base.mkdir(exist_ok=True)
        (base / name).write_text('{"weight_map": {"a": "two.safetensors"}}')
    Path("mine.yaml").write_text(f"method: dpo\nbase: {base}\n")
    told = asked("train", "mine.yaml", "--data", "pairs.jsonl", "--dry-run", code=2)
    assert told.startswith("recipe.base: ")
    assert why in told
    assert not home.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_base_with_weights_is_a_directory(name: str, tmp_path: Path) -> None:
    base = tmp_path / "yours"
    base.mkdir()
    for file in ("config.json", name):
        (base / file).write_text("{}")
    Path("mine.yaml").write_text(f"method: dpo\nbase: {base}\n")
    assert told("train", "mine.yaml", "--data", "pairs.jsonl", "--dry-run")["base_is"] == "a directory"


def test_a_base_of_the_hub_is_looked_for_no_sooner_than_it_is_loaded_and_plans_say_so() -> None:
    Path("mine.yaml").write_text("method: dpo\nbase: models/qwen\n")
    for plan in (
        told("train", "mine.yaml", "--data", "pairs.jsonl", "--dry-run"),
        told("run", "--recipe", "mine.yaml", "--explain"),
    ):
        assert plan["base"] == "models/qwen"
        assert plan["base_is"].startswith("looked for on the Hugging Face hub")


def test_settings_that_cannot_be_used_end_with_2() -> None:
    Path("trimtab.yaml").write_text("finetune: {lease_seconds: soon}\n")
    told = asked("train", "mine.yaml", "--data", "pairs.jsonl", code=2)
    assert "finetune.lease_seconds" in told


@pytest.mark.slow
def test_a_base_that_cannot_be_loaded_is_told_with_its_field(tmp_path: Path) -> None:
    (tmp_path / "yours").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "yours" / name).write_text("{}")
    Path("mine.yaml").write_text(f"method: dpo\nbase: {tmp_path / 'yours'}\ndevice: cpu\n")
    told = asked("train", "mine.yaml", "--data", "pairs.jsonl", code=1)
    assert "recipe.base: " in told
    assert "cannot be loaded as a model: " in told


def test_an_online_method_without_a_reward_server_is_told_before_anything_starts(home: Path) -> None:
    told = asked("train", "grpo", "--data", "pairs.jsonl", code=2)
    assert "method grpo needs a reward server: set finetune.reward_url" in told
    assert not home.exists()


def test_the_plan_of_an_online_method_names_the_reward_server_that_it_asks() -> None:
    Path("trimtab.yaml").write_text("finetune: {reward_url: 'http://127.0.0.1:9'}\n")
    assert told("train", "grpo", "--data", "pairs.jsonl", "--dry-run")["rewarded_by"] == "http://127.0.0.1:9"
    assert "rewarded_by" not in told("train", "dpo", "--data", "pairs.jsonl", "--dry-run")


def test_a_plan_shows_no_password_of_the_reward_server() -> None:
    Path("trimtab.yaml").write_text("finetune: {reward_url: 'http://ada:secret@127.0.0.1:9'}\n")
    assert told("train", "grpo", "--data", "pairs.jsonl", "--dry-run")["rewarded_by"] == "http://127.0.0.1:9"


def test_a_dry_run_asks_the_executor_too(home: Path) -> None:
    Path("trimtab.yaml").write_text("finetune: {executor: {kind: accelerate, processes: 3}}\n")
    told = asked("train", "mine.yaml", "--data", "pairs.jsonl", "--dry-run", code=2)
    assert "finetune.executor.processes: 3 must divide recipe.batch_size, 8" in told
    assert not home.exists()


def test_engines_that_will_not_sleep_are_told_of() -> None:
    Path("trimtab.yaml").write_text("finetune: {executor: accelerate, share_gpu: {engines: [a]}}\n")
    told = asked("train", "mine.yaml", "--data", "pairs.jsonl", "--dry-run")
    assert "finetune.share_gpu is for retrainings: no engine sleeps" in told


def test_the_last_version_needs_a_gateway_or_a_directory(tmp_path: Path) -> None:
    assert "or give --last" in asked("train", "dpo-last", "--data", "pairs.jsonl", code=2)
    wanted = ("train", "dpo-last", "--data", "pairs.jsonl", "--last", str(tmp_path / "v7"), "--dry-run")
    assert "--last: there is no directory" in asked(*wanted, code=2)
    (tmp_path / "v7").mkdir()
    plan = told(*wanted)
    assert plan["starts_from"] == "v7"


def test_a_directory_that_nothing_would_start_from_is_refused(home: Path) -> None:
    told = asked("train", "mine.yaml", "--data", "pairs.jsonl", "--last", "/nope", "--dry-run", code=2)
    assert "--last: with anchor base nothing starts from it" in told
    assert not home.exists()


def test_the_command_line_wins_over_the_settings_and_what_it_leaves_out_is_not_theirs() -> None:
    Path("trimtab.yaml").write_text("finetune: {recipe: {method: dpo, losses: {ipo: 1.0}, rank: 8}}\n")
    plan = told("train", "kto", "--data", "pairs.jsonl", "--dry-run")
    assert (plan["method"], plan["recipe"]["losses"], plan["recipe"]["rank"]) == ("kto", None, 16)


def test_a_retraining_takes_a_recipe_too() -> None:
    assert told("run", "--recipe", "kto", "--explain")["recipe"]["method"] == "kto"
    assert "rnak" in asked("run", "--recipe", bad(), code=2)


def bad() -> str:
    Path("bad.yaml").write_text("rnak: 4\n")
    return "bad.yaml"


def test_a_dataset_of_the_ledger_is_found_by_its_name_or_as_the_latest(home: Path) -> None:
    name = keep(home)
    for which in ("latest", name[:8]):
        plan = told("train", "mine.yaml", "--data", which, "--dry-run")
        assert (plan["dataset"], plan["rows"]) == (name, 16)


def test_the_latest_dataset_is_shown(home: Path) -> None:
    name = keep(home)
    assert told("dataset", "show", "latest")["sha256"] == name


def test_a_dataset_that_holds_something_erased_trains_nothing(home: Path) -> None:
    name = keep(home, erased_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert "holds something that was erased" in asked("train", "mine.yaml", "--data", name, code=2)


def test_a_dataset_that_was_changed_trains_nothing(home: Path) -> None:
    name = keep(home)
    (home / "datasets" / f"{name}.jsonl").write_text("{}\n")
    assert "was changed after it was frozen" in asked("train", "mine.yaml", "--data", name, code=2)


@pytest.mark.slow
def test_training_leaves_a_version_named_by_its_content_and_its_evidence(home: Path) -> None:
    made = told("train", "mine.yaml", "--data", "pairs.jsonl")
    path = Path(made["path"])
    assert path.parent == home / "adapters"
    assert digest_in(path) == path.name
    evidence = json.loads(path.with_suffix(".json").read_text())
    assert evidence["lineage"] == made["lineage"]
    assert (made["lineage"]["anchor"], made["lineage"]["pairs"]) == ("base", 16)
    assert evidence["training"]["steps"] == 2
    data = (home / "datasets" / f"{made['lineage']['dataset']}.jsonl").read_text()
    assert len(data.splitlines()) == 16


@pytest.mark.slow
def test_what_was_trained_is_registered_as_a_child_of_the_live_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_engine() as (engine, behind), open_house(tmp_path, behind.url, engine) as house:
        monkeypatch.setenv("TRIMTAB_FINETUNE_ADMIN_URL", house.server.url)
        monkeypatch.setenv("TRIMTAB_FINETUNE_ADMIN_KEY", house.keys["admin"])
        Path("mine.yaml").write_text("method: dpo\nanchor: last\n" + SHORT)
        made = told("train", "mine.yaml", "--data", "pairs.jsonl", "--register")
        with house.http() as client:
            known = {each["id"]: each for each in client.get("/admin/versions").json()["data"]}
    version = known[made["version"]]
    assert (version["parent"], version["lineage"]["anchor"]) == ("base", "last")
    assert "no gate has judged it" in version["lineage"]["trained_by"]


@pytest.mark.slow
def test_unpaired_answers_of_a_parquet_file_make_a_whole_model(home: Path) -> None:
    rows = [
        {"prompt": row["prompt"], "completion": row["chosen" if good else "rejected"], "label": good}
        for row in ROWS
        for good in (True, False)
    ]
    parquet.write_table(pa.Table.from_pylist(rows), "thumbs.parquet")
    Path("mine.yaml").write_text("method: kto\nweights: full\nballast: 0\nlearning_rate: 1.0e-4\n" + SHORT)
    made = told("train", "mine.yaml", "--data", "thumbs.parquet")
    assert holds_model(Path(made["path"]))
    assert made["training"]["unservable"] == []
    assert made["training"]["health"]["margin"] > 0
