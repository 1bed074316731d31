"""Settings: one file and the environment over it; what is unknown or malformed refuses to start."""

from pathlib import Path

import pytest

from gateway.settings import SettingsInvalid, load_settings

FILE = """
alias: helper
reward: {url: "http://127.0.0.1:9/", timeout_seconds: 3}
engines:
  - {name: a, url: "http://127.0.0.1:1/v1", api_key: SENTINEL}
finetune: {every: 5}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trimtab.yaml"
    path.write_text(FILE)
    return path


def test_without_any_word_the_defaults_hold() -> None:
    settings = load_settings()
    assert (settings.listen.port, settings.admin.port) == (8080, 8081)
    assert settings.ledger_url.startswith("sqlite+aiosqlite:////")


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARD__TIMEOUT_SECONDS", "7")
    settings = load_settings(file)
    assert (settings.alias, settings.reward.timeout_seconds) == ("helper", 7)
    assert settings.reward.url == "http://127.0.0.1:9/"


def test_an_argument_wins_over_both(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_ALIAS", "second")
    assert load_settings(file, alias="first").alias == "first"


def test_the_file_may_be_named_by_a_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_CONFIG", str(file))
    assert load_settings().alias == "helper"


def test_one_nested_variable_leaves_its_neighbours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_LISTEN__HOST", "0.0.0.0")
    assert load_settings().listen.port == 8080


def test_a_server_for_embeddings_can_be_told_in_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().embeddings is None
    monkeypatch.setenv("TRIMTAB_EMBEDDINGS__URL", "http://127.0.0.1:2/v1")
    monkeypatch.setenv("TRIMTAB_EMBEDDINGS__MODELS", '{"small": "bge"}')
    told = load_settings().embeddings
    assert told is not None
    assert (told.url, told.models) == ("http://127.0.0.1:2/v1", {"small": "bge"})


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("TRIMTAB_LIMITS__MAX_N", "many", "limits.max_n: must be a whole number"),
        ("TRIMTAB_LIMITS__BOGUS", "1", "limits.bogus: is no field here; the fields here are max_n, "),
        ("TRIMTAB_BOGUS", "1", "TRIMTAB_BOGUS"),
        ("TRIMTAB_LEDGER__SAMPLE_RATE", "1.5", "ledger.sample_rate"),
        ("TRIMTAB_ENGINES", "not json", "engines"),
        ("TRIMTAB_ALIGNMENT__N", "99", "alignment.n"),
        ("TRIMTAB_LEDGER__URL", "foo", "ledger.url: .*must be sqlite:///"),
        ("TRIMTAB_LEDGER__URL", "mysql://host/ledger", "ledger.url"),
        ("TRIMTAB_LEDGER__URL", "postgresql://host:SENTINEL/ledger", "ledger.url"),
    ],
)
def test_a_bad_variable_names_itself(
    variable: str, value: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid, match=named) as complaint:
        load_settings()
    assert "SENTINEL" not in str(complaint.value)


@pytest.mark.parametrize(
    "url", ["", "sqlite:///ledger.db", "postgres://u:p@host/ledger", "postgresql+asyncpg://host/ledger"]
)
def test_a_ledger_may_be_in_either_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_LEDGER__URL", url)
    assert load_settings().ledger_url.startswith(url or "sqlite+aiosqlite:///")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("aliass: x", "aliass"),
        ("- 1", "must hold settings by name"),
        ("a: [", "cannot be read as YAML"),
        ("engines: []", "engines"),
        ("engines: [{url: 'ftp://x'}]", "engines.0.url: must be a URL that begins with http"),
        ("engines: [{name: a}, {name: a}]", "a name of its own"),
        ("embeddings: {url: 'http://x/v1', models: {}}", "embeddings.models"),
    ],
)
def test_a_bad_file_is_refused_by_name(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match=named):
        load_settings(path)


def test_a_missing_file_is_refused_when_it_was_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml")


def test_secrets_do_not_show(file: Path) -> None:
    assert "SENTINEL" not in repr(load_settings(file))


def test_a_complaint_repeats_no_value(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("engines: [{name: a, api_key: {SENTINEL: 1}}]")
    with pytest.raises(SettingsInvalid) as complaint:
        load_settings(path)
    assert "SENTINEL" not in str(complaint.value)


def test_defaults_give_way_to_all_else(tmp_path: Path) -> None:
    path = tmp_path / "trimtab.yaml"
    path.write_text("reward: {url: 'http://127.0.0.1:7'}\n")
    defaults = {"reward": {"url": "http://127.0.0.1:9", "timeout_seconds": 3.0}}
    reward = load_settings(path, defaults=defaults).reward
    assert (reward.url, reward.timeout_seconds) == ("http://127.0.0.1:7", 3.0)
