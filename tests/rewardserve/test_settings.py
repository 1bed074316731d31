"""Settings that are wrong or unknown refuse to start, and name themselves."""

from pathlib import Path

import pytest

from rewardserve.settings import SettingsRefused, read_settings


def test_the_default_is_the_packaged_model_on_this_machine_only() -> None:
    settings = read_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8083)
    assert Path(settings.model).parts[-2:] == ("rewardserve", "pocket")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_BATCH_ITEMS", "8")
    assert read_settings().limits.items == 8


def test_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_PORT", "9000")
    assert read_settings(port=9001, host=None).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("DTYPE", "int3"),
        ("BATCH_ITEMS", "0"),
        ("SYSTEM_MESSAGES", "shout"),
        ("WORKERS", "0"),
        ("DRAIN_SECONDS", "-1"),
        ("ADMIN_KEY", "short"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TRIMTAB_REWARDSERVE_{name}", value)
    with pytest.raises(SettingsRefused, match=f"^TRIMTAB_REWARDSERVE_{name}: "):
        read_settings()


def test_a_misspelt_variable_is_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_PROT", "9000")
    with pytest.raises(SettingsRefused, match="TRIMTAB_REWARDSERVE_PROT: there is no such setting"):
        read_settings()


def test_every_wrong_value_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_PORT", "eighty")
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_QUEUE_ITEMS", "none")
    with pytest.raises(SettingsRefused, match=r"PORT: (?s:.*)QUEUE_ITEMS: "):
        read_settings()


def test_the_model_to_load_is_all_there(tmp_path: Path) -> None:
    spec = read_settings(model=str(tmp_path), label_index=1, max_tokens=99, cpu_threads=1).spec
    assert (spec.model, spec.label_index, spec.max_tokens, spec.cpu_threads) == (str(tmp_path), 1, 99, 1)


def test_heads_are_a_json_object_or_the_checkpoints_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_HEADS", '{"safety": 0, "helpfulness": 1}')
    assert read_settings().spec.heads == {"safety": 0, "helpfulness": 1}
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_HEADS", "config")
    assert read_settings().spec.heads == "config"


def test_heads_of_another_kind_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_HEADS", '{"safety": -1}')
    with pytest.raises(SettingsRefused, match="TRIMTAB_REWARDSERVE_HEADS: "):
        read_settings()


def test_the_admin_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_REWARDSERVE_ADMIN_KEY", "a key of some length")
    assert "some length" not in repr(read_settings())
