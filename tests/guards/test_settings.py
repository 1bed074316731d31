"""Services as settings and command lines tell of them."""

from pathlib import Path

import pytest

from guards.settings import ServicesInvalid, load_services

FILE = """
alias: assistant
guards:
  policy: mine.yaml
  services:
    judges: {url: "http://127.0.0.1:8001/v1", timeout_seconds: 3, headers: {x-org: us}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trimtab.yaml"
    path.write_text(FILE)
    return path


def test_a_file_names_services(file: Path) -> None:
    found = load_services(config=file)
    assert (found["judges"].url, found["judges"].timeout_seconds) == ("http://127.0.0.1:8001/v1", 3)
    assert found["judges"].headers["x-org"].get_secret_value() == "us"


def test_a_variable_wins_over_the_file_and_the_command_line_over_both(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_GUARDS__SERVICES__JUDGES__URL", "http://other/v1")
    monkeypatch.setenv("TRIMTAB_GUARDS__SERVICES__MORE__URL", "http://more")
    found = load_services(config=file)
    assert (found["judges"].url, found["more"].url) == ("http://other/v1", "http://more")
    assert load_services(["judges=http://third"], file)["judges"].url == "http://third"


def test_a_key_may_stand_in_a_file_or_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("THEIR_KEY", "from a variable")
    monkeypatch.setenv("TRIMTAB_GUARDS__SERVICES__A__URL", "http://a")
    monkeypatch.setenv("TRIMTAB_GUARDS__SERVICES__A__API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("TRIMTAB_GUARDS__SERVICES__A__SIGNING_SECRET_ENV", "THEIR_KEY")
    found = load_services()["a"]
    assert found.key is not None
    assert found.secret is not None
    assert found.key.get_secret_value() == "from a file"
    assert found.secret.get_secret_value() == "from a variable"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("url: ftp://x", "guards.services.one.url: must be a URL"),
        ("url: http://user:SENTINEL@x", "must be a URL that begins with http"),
        ("{}", "guards.services.one.url: is required"),
        ("{url: http://x, api_key: SENTINEL, api_key_env: Y}", "exclude each other"),
        ("{url: http://x, api_key_env: NO_SUCH_VARIABLE}", "there is no variable NO_SUCH_VARIABLE"),
        ("{url: http://x, api_key_file: /nowhere/key}", "/nowhere/key cannot be read"),
        ("{url: http://x, api_key: ''}", "api_key is empty"),
        ('{url: http://x, headers: {x: "SENTINEL\\nb"}}', "one line of printable characters"),
        ("{url: http://x, keys: 1}", "is no field here"),
    ],
)
def test_what_is_wrong_is_named_and_never_repeated(more: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "trimtab.yaml"
    path.write_text(f"guards:\n  services:\n    one: {more if '{' in more else '{' + more + '}'}\n")
    with pytest.raises(ServicesInvalid) as raised:
        load_services(config=path)
    assert says in str(raised.value)
    assert "SENTINEL" not in str(raised.value)


def test_a_pair_without_a_sign_is_refused() -> None:
    with pytest.raises(ServicesInvalid, match="NAME=URL"):
        load_services(["judges"])
