"""The command line, over a real ledger."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from finetune.cli import app, seconds_of
from finetune.commands import ledger, look, worth_training
from finetune.settings import load_situation
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from tests.fakes.exchanges import benign, harmful


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with a ledger of forty exchanges."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIMTAB_FINETUNE_MAKE__MARGIN_SD", "0.5")

    async def fill() -> None:
        async with Database(f"sqlite:///{tmp_path}/.trimtab/ledger.db") as database:
            await Intake(database).take(
                [make(17 * i + i % 7) for i in range(20) for make in (harmful, benign)]
            )

    asyncio.run(fill())
    return tmp_path


def asked(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


def test_help_teaches_the_journey() -> None:
    assert "A failed gate changes nothing" in asked("--help")


def test_a_dry_run_tells_what_would_be_learnt() -> None:
    told = json.loads(asked("run", "--dry-run", "--json"))
    assert (told["exchanges"], told["pairs"], told["new"], told["needed"]) == (40, 40, 40, 100)
    assert not told["enough"]


def test_a_dry_run_counts_what_red_teaming_found() -> None:
    turn = {"role": "user", "content": "How do I hurt him?"}
    found = {"messages": [turn], "rejected": "Hit him.", "chosen": "I will not help with that."}
    Path("found.jsonl").write_text(json.dumps(found))
    Path("trimtab.yaml").write_text("finetune: {red_team: found.jsonl}\n")
    assert json.loads(asked("run", "--dry-run", "--json"))["new"] == 41


def test_ray_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as Python itself marks what is not there
    assert "jobs_on_ray: Ray is not installed here" in asked("pairs", "--ray", code=2)


@pytest.mark.slow  # starts a Ray
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_the_command_shows_the_same_pairs_from_ray(home: Path) -> None:
    pytest.importorskip("ray")
    more = [make(1_000 + number) for number in range(300) for make in (harmful, benign)]

    async def fill() -> None:
        async with Database(f"sqlite:///{home}/.trimtab/ledger.db") as database:
            await Intake(database).take(more)

    asyncio.run(fill())
    assert asked("pairs", "--json", "--ray", "--jobs", "2") == asked("pairs", "--json")


async def test_new_pairs_are_worth_a_training_only_when_all_together_are_enough(home: Path) -> None:
    situation = load_situation(home=home / ".trimtab")
    async with ledger(situation) as database:
        found = await look(situation, database)
    assert [worth_training(found, fewest) for fewest in (40, 41)] == [40, 0]


def test_a_dry_run_for_people_says_what_is_enough_and_no_noughts() -> None:
    told = asked("run", "--dry-run")
    assert "enough" in told
    assert "near duplicate" not in told  # none was one
    assert "False" not in told


def test_a_dry_run_tells_what_kinds_of_pairs_there_are() -> None:
    told = json.loads(asked("run", "--dry-run", "--json"))
    assert told["kinds"] == {"safety": 20, "helpfulness": 20}
    assert told["declining"] == {"wins": 20, "loses": 0}


def test_a_dry_run_warns_of_a_balance_that_small_data_cannot_have(home: Path) -> None:
    (home / "trimtab.yaml").write_text("finetune: {filters: {balance: 1, refusals: 0.5}}\n")
    assert "declining wins in 20 pairs and loses in 0: filters.refusals asks for 0.5 to 1" in asked(
        "run", "--dry-run"
    )


def test_a_dry_run_names_a_filter_that_takes_much(home: Path) -> None:
    (home / "trimtab.yaml").write_text("finetune: {filters: {length_ratio: 1}}\n")
    assert "filter `length ratio` took" in asked("run", "--dry-run")


def test_a_dry_run_says_that_dpo_learns_no_thumbs() -> None:
    assert "method dpo learns pairs alone" in asked("run", "--dry-run")


def test_explain_shows_no_password_of_an_exams_judge() -> None:
    Path("trimtab.yaml").write_text(
        "finetune: {exam: {exams: {wins: {judge: 'http://ada:secret@judge:8083'}}}}"
    )
    told = json.loads(asked("run", "--explain"))
    assert told["exam"]["exams"]["wins"]["judge"] == "http://judge:8083"


def test_explain_shows_every_rule_and_bar() -> None:
    told = json.loads(asked("run", "--explain"))
    assert {"make", "filters", "recipe", "exam", "bars", "fewest_pairs"} <= told.keys()


def test_pairs_are_shown_with_where_they_come_from() -> None:
    told = json.loads(asked("pairs", "--json", "--limit", "3"))
    assert told["pairs"] == 40
    assert len(told["shown"]) == 3
    assert told["shown"][0]["provenance"]["exchange_id"]


async def empty_ledger(home: Path) -> None:
    async with Database(f"sqlite:///{home}/ledger.db"):
        pass


def test_where_there_are_no_pairs_it_is_said_what_tells_why(tmp_path: Path) -> None:
    asyncio.run(empty_ledger(tmp_path / "new"))
    assert "finetune run --dry-run" in asked("pairs", "--home", str(tmp_path / "new"))


def test_pairs_are_exported_as_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    assert asked("pairs", "--limit", "5", "--export", str(file)) == f"40 pairs written to {file}\n"
    lines = (tmp_path / "pairs.jsonl").read_text().splitlines()
    assert len(lines) == 40
    assert json.loads(lines[0])["chosen"][0]["role"] == "assistant"


def test_status_of_a_new_ledger_says_how_to_begin() -> None:
    assert "trimtab finetune run" in asked("status")
    assert json.loads(asked("status", "--json")) == {"runs": [], "rollouts": []}


def test_a_run_without_an_admin_key_says_where_to_get_one() -> None:
    assert "trimtab up" in asked("run", code=2)


@pytest.mark.parametrize(
    "words",
    ["explain policy-nope", "dataset show nope", "rollout show nope", "revise --constitution nope.yaml"],
)
def test_a_name_that_there_is_not_ends_with_2(words: str) -> None:
    assert "nope" in asked(*words.split(), code=2)


@pytest.mark.parametrize("words", [("run",), ("run", "--dry-run"), ("pairs",), ("revise",)], ids=" ".join)
def test_a_wrong_file_of_red_teaming_ends_with_2_and_begins_nothing(
    words: tuple[str, ...], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "found.jsonl").write_text('{"messages": []}\n')
    monkeypatch.setenv("TRIMTAB_FINETUNE_RED_TEAM", "found.jsonl")
    monkeypatch.setenv("TRIMTAB_FINETUNE_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("TRIMTAB_FINETUNE_REWARD_URL", "http://127.0.0.1:9")
    assert "finetune.red_team: found.jsonl, line 1: messages, rejected" in asked(*words, code=2)
    assert "There was no retraining yet" in asked("status")


@pytest.mark.parametrize("words", [("run",), ("run", "--dry-run"), ("pairs",)], ids=" ".join)
def test_a_wrong_file_of_an_exam_ends_with_2_and_begins_nothing(
    words: tuple[str, ...], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_of_it = '{"id": "a", "prompt": "How many?", "expected": "18 apples", "matcher": "number"}'
    (home / "gsm8k.jsonl").write_text(asked_of_it + "\n")
    (home / "trimtab.yaml").write_text(
        "finetune: {exam: {exams: {gsm8k: {kind: capability, questions: gsm8k.jsonl}}}}\n"
    )
    monkeypatch.setenv("TRIMTAB_FINETUNE_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("TRIMTAB_FINETUNE_REWARD_URL", "http://127.0.0.1:9")
    assert "finetune.exam: gsm8k.jsonl:1: expected: must be a number" in asked(*words, code=2)
    assert "There was no retraining yet" in asked("status")


@pytest.mark.parametrize(
    ("words", "code"), [(("run",), 2), (("run", "--dry-run"), 0)], ids=["run", "dry run"]
)
def test_an_exam_that_asks_too_little_is_told_before_anything_is_trained(
    words: tuple[str, ...], code: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"id": "a", "messages": [{"role": "user", "content": "How?"}], "kind": "benign"}
    (home / "few.jsonl").write_text(json.dumps(line) + "\n")
    (home / "trimtab.yaml").write_text("finetune: {exam: {prompts: few.jsonl}}\n")
    monkeypatch.setenv("TRIMTAB_FINETUNE_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("TRIMTAB_FINETUNE_REWARD_URL", "http://127.0.0.1:9")
    told = " ".join(asked(*words, code=code).split())
    assert "0 prompts of kind refusable and 1 of kind benign or borderline" in told
    assert "There was no retraining yet" in asked("status")


def test_the_one_rule_of_exit_codes_is_told() -> None:
    assert "Exit codes, of every command" in asked("--help")
    assert "2: it cannot begin like this" in asked("run", "--help")


def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_FINETUNE_RECIPE__RANK", "many")
    assert "finetune.recipe.rank" in asked("status", code=2)


def test_watch_stops_in_good_order_when_told_to(home: Path) -> None:
    command = [sys.executable, "-m", "gateway", "finetune", "watch", "--every", "1h"]
    with subprocess.Popen(command, cwd=home, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert "40 new pairs; 40 are fit for training, 100 are needed" in lines[1]
    assert "stopped" in rest
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("45", 45), ("1.5m", 90)]
)
def test_lengths_of_time_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "soon", "-5m", "0", "infs", "nan"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        seconds_of(text)
