"""What the command line says, as settings."""

import socket
from pathlib import Path

import pytest

from gateway.serving.told import Told, engine_url, ledger_at, next_port, require_engines
from gateway.settings import SettingsInvalid, load_settings


def test_nothing_told_changes_nothing() -> None:
    assert Told().changes() == {}


def test_an_engine_a_model_and_a_port_are_enough(tmp_path: Path) -> None:
    told = Told(engines=["http://one:8000", "http://two:8000/v1/"], model="llama", port=9000, home=tmp_path)
    settings = load_settings(**told.changes())
    assert [engine.url for engine in settings.engines] == ["http://one:8000/v1", "http://two:8000/v1"]
    assert (settings.alias, settings.base_model, settings.listen.port) == ("llama", "llama", 9000)
    assert settings.admin.port not in (0, 9000)
    assert settings.home == tmp_path


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("http://e:1", "http://e:1/v1"),
        ("http://e:1/", "http://e:1/v1"),
        ("http://e:1/v1", "http://e:1/v1"),
        ("https://e/openai/v1/", "https://e/openai/v1"),
    ],
)
def test_a_forgotten_v1_is_meant(url: str, meant: str) -> None:
    assert engine_url(url) == meant


def test_a_gateway_before_no_engine_is_refused_with_what_to_do() -> None:
    with pytest.raises(SettingsInvalid, match=r"--engine http.* trimtab\.yaml; `trimtab up`"):
        require_engines(load_settings())


def test_engines_may_be_named_by_options_variables_or_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_engines(load_settings(**Told(engines=["http://one:8000"]).changes()))
    (tmp_path / "own.yaml").write_text("engines: [{url: 'http://one:8000/v1'}]")
    require_engines(load_settings(tmp_path / "own.yaml"))
    monkeypatch.setenv("TRIMTAB_ENGINES", '[{"url": "http://one:8000/v1"}]')
    require_engines(load_settings())


def test_a_ledger_may_be_a_file_and_has_its_journal_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "l.db"
    assert ledger_at(str(file)) == ledger_at(f"sqlite:///{file}")
    assert ledger_at(str(file))["journal"] == f"{file}.journal"
    assert "journal" not in ledger_at("postgresql://db/ledger")


def test_what_is_no_ledger_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"ledger\.url"):
        ledger_at("://nothing")


def test_a_taken_port_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert next_port(port - 1) not in (0, port)
