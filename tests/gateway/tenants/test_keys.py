"""Keys in a real SQLite ledger."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from gateway.ledger.contract import NotInLedger
from gateway.ledger.tables import KeyRow, TransitionRow
from gateway.tenants.cli import app
from gateway.tenants.keyring import Keyring
from gateway.tenants.keys import PREFIX, Key, KeyStore
from gateway.tenants.terms import TermsInvalid


async def test_a_new_key_is_valid(store: KeyStore) -> None:
    key, secret = await store.create("shop", "application")
    async with Keyring.open(store) as keyring:
        assert keyring.authenticate(secret) == key


@pytest.mark.parametrize("secret", ["", PREFIX, "' OR 1=1 --", "\0", "\udcff", "x" * 1_000_000])
async def test_what_is_no_key_is_nobodys(store: KeyStore, secret: str) -> None:
    await store.create("shop", "application")
    async with Keyring.open(store) as keyring:
        assert keyring.authenticate(secret) is None


async def test_a_revoked_key_dies_while_the_keyring_is_in_use(store: KeyStore) -> None:
    key, secret = await store.create("shop", "application")
    async with Keyring.open(store) as keyring, asyncio.timeout(5):
        await store.revoke(key.id)
        while keyring.authenticate(secret):
            await asyncio.sleep(0.05)


async def test_the_last_known_keys_stay_valid_while_the_database_is_away(store: KeyStore) -> None:
    _, secret = await store.create("shop", "application")
    async with Keyring.open(store) as keyring:
        async with store.database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE keys RENAME TO elsewhere")
        await asyncio.sleep(1.2)
        assert keyring.authenticate(secret) is not None


@dataclass
class HangingStore:
    """Answers the first time, then hangs once, then answers again, or says what no ledger says."""

    fails: bool = False
    asked: int = 0

    async def valid(self) -> dict[str, Key]:
        self.asked += 1
        if self.asked == 2:
            await asyncio.sleep(3600)
        if self.asked > 2 and self.fails:
            raise ZeroDivisionError
        return {}


async def test_a_database_that_hangs_is_asked_again() -> None:
    store = HangingStore()
    async with Keyring.open(store, patience_seconds=0.01) as keyring, asyncio.timeout(10):  # type: ignore[arg-type]
        while store.asked < 3:
            await asyncio.sleep(0.02)
        assert keyring.alive


async def test_a_keyring_that_died_says_so() -> None:
    store = HangingStore(fails=True)
    async with Keyring.open(store, patience_seconds=0.01) as keyring, asyncio.timeout(10):  # type: ignore[arg-type]
        while keyring.alive:
            await asyncio.sleep(0.02)


async def test_the_secret_is_nowhere_in_the_ledger(store: KeyStore) -> None:
    _, secret = await store.create("shop", "application")
    async with store.database.read() as connection:
        rows = [
            *await connection.execute(select(KeyRow.__table__)),
            *await connection.execute(select(TransitionRow)),
        ]
    assert rows
    assert secret not in str(rows)


async def test_revoking_twice_is_told_once(store: KeyStore) -> None:
    key, _ = await store.create("shop", "application")
    first, second = await store.revoke(key.id), await store.revoke(key.id)
    async with store.database.read() as connection:
        causes = (
            (await connection.execute(select(TransitionRow.cause).order_by(TransitionRow.id))).scalars().all()
        )
    assert first.revoked_at == second.revoked_at
    assert causes == ["key created", "key revoked"]


async def test_a_key_that_never_was_cannot_be_revoked(store: KeyStore) -> None:
    with pytest.raises(NotInLedger, match="key-0"):
        await store.revoke("key-0")


def test_the_command_line_shows_a_secret_once(tmp_path: Path) -> None:
    run = CliRunner()
    made = run.invoke(app, ["create", "shop", "--home", str(tmp_path)])
    secret = made.stdout.splitlines()[0]
    assert secret.startswith(PREFIX)
    assert secret not in run.invoke(app, ["list", "--home", str(tmp_path)]).stdout


def test_the_command_line_makes_no_ledger_where_it_only_looks(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["list", "--home", str(tmp_path / "nobody")])
    assert (told.exit_code, "there is no ledger" in told.stderr) == (1, True)
    assert not (tmp_path / "nobody").exists()


def test_the_command_line_explains_a_wrong_id(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["create", "one", "--home", str(tmp_path)])
    told = CliRunner().invoke(app, ["revoke", "key-0", "--home", str(tmp_path)])
    assert (told.exit_code, "there is no key key-0" in told.stderr) == (1, True)


async def test_a_key_without_a_name_is_not_made(store: KeyStore) -> None:
    with pytest.raises(TermsInvalid, match="name"):
        await store.create(" ", "application")


async def test_a_revoked_key_has_no_terms_to_change(store: KeyStore) -> None:
    key, _ = await store.create("shop", "application")
    await store.revoke(key.id)
    with pytest.raises(NotInLedger, match="revoked"):
        await store.change(key.id, lambda terms: terms)
