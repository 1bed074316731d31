import os
from pathlib import Path

import pytest

from gateway.ledger.database import Database, make_private
from gateway.tenants.keys import KeyStore


def modes(folder):
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}


@pytest.fixture
def open_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
async def test_a_new_home_is_for_its_owner_alone_whoever_makes_it(tmp_path):
    home = tmp_path / "a" / "home"
    async with Database(f"sqlite:///{home / 'ledger.db'}") as database:
        await KeyStore(database, "test").create("x", "application")
        assert modes(home) == {
            "home": 0o700,
            "ledger.db": 0o600,
            "ledger.db-wal": 0o600,
            "ledger.db-shm": 0o600,
        }


@pytest.mark.usefixtures("open_umask")
async def test_a_database_that_others_could_read_is_shut_and_its_folder_left(tmp_path):
    tmp_path.chmod(0o755)
    for name in ("ledger.db", "ledger.db-wal"):
        (tmp_path / name).touch(0o644)
    async with Database(f"sqlite:///{tmp_path / 'ledger.db'}"):
        assert modes(tmp_path)["ledger.db"] == 0o600
        assert modes(tmp_path)["ledger.db-wal"] == 0o600
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_what_is_not_ours_to_change_is_left():
    make_private(Path("/proc/version"))  # not even root may change its mode


async def test_a_database_in_memory_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with Database("sqlite:///:memory:"):
        assert list(tmp_path.iterdir()) == []
