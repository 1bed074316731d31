"""A key's terms: read, kept, changed, and over when they say so."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from gateway.ledger.contract import NotInLedger
from gateway.ledger.tables import TransitionRow
from gateway.tenants.cli import app
from gateway.tenants.keyring import Keyring
from gateway.tenants.keys import KeyStore
from gateway.tenants.terms import NO_TERMS, KeyBounds, KeyLimits, Terms, TermsInvalid, read_limits
from gateway.tenants.typed import Typed, span_of

LIMITS = KeyLimits(requests_per_minute=60, budget_tokens=1000, budget_per="day")
ALL = Terms(datetime(2100, 1, 1, tzinfo=UTC), LIMITS, KeyBounds(max_n=2, may_explain=False))
HOUR = timedelta(hours=1)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_terms_are_kept_as_they_were_given(store: KeyStore) -> None:
    key, secret = await store.create("shop", "application", ALL)
    async with Keyring.open(store) as keyring:
        found = keyring.authenticate(secret)
    assert found == key
    assert key.terms == ALL


async def test_a_key_dies_at_its_moment_and_waits_for_no_refresh(store: KeyStore) -> None:
    _, secret = await store.create("shop", "application", Terms(expires_at=soon(0.2)))
    keyring = Keyring(store)
    await keyring.refresh()
    assert keyring.authenticate(secret)
    await asyncio.sleep(0.25)
    assert keyring.authenticate(secret) is None


async def test_after_a_rotation_both_secrets_name_the_same_key(store: KeyStore) -> None:
    key, old = await store.create("shop", "application", ALL)
    _, new = await store.rotate(key.id, HOUR)
    async with Keyring.open(store) as keyring:
        found = [keyring.authenticate(secret) for secret in (old, new)]
    assert [each and (each.id, each.terms.limits) for each in found] == [(key.id, LIMITS)] * 2


@pytest.mark.parametrize("overlap", [timedelta(0), timedelta(seconds=0.1)])
async def test_the_old_secret_is_valid_for_the_overlap_and_no_longer(
    overlap: timedelta, store: KeyStore
) -> None:
    key, old = await store.create("shop", "application")
    _, new = await store.rotate(key.id, overlap)
    async with Keyring.open(store) as keyring:
        await asyncio.sleep(0.12)
        assert keyring.authenticate(old) is None
        assert keyring.authenticate(new)


async def test_an_overlap_outlives_no_expiry(store: KeyStore) -> None:
    key, old = await store.create("shop", "application", Terms(expires_at=soon(0.1)))
    await store.rotate(key.id, HOUR)
    async with Keyring.open(store) as keyring:
        await asyncio.sleep(0.12)
        assert keyring.authenticate(old) is None


async def test_a_second_rotation_ends_the_first_secret(store: KeyStore) -> None:
    key, first = await store.create("shop", "application")
    _, second = await store.rotate(key.id, HOUR)
    _, third = await store.rotate(key.id, HOUR)
    async with Keyring.open(store) as keyring:
        valid = [keyring.authenticate(secret) is not None for secret in (first, second, third)]
    assert valid == [False, True, True]


async def test_revoking_ends_the_old_secret_too(store: KeyStore) -> None:
    key, old = await store.create("shop", "application")
    _, new = await store.rotate(key.id, HOUR)
    await store.revoke(key.id)
    async with Keyring.open(store) as keyring:
        assert [keyring.authenticate(secret) for secret in (old, new)] == [None, None]


async def test_a_revoked_key_is_not_rotated_back_to_life(store: KeyStore) -> None:
    key, _ = await store.create("shop", "application")
    await store.revoke(key.id)
    with pytest.raises(NotInLedger, match="revoked"):
        await store.rotate(key.id, HOUR)


async def test_every_gateway_hears_of_a_revocation_within_a_second(store: KeyStore) -> None:
    key, secret = await store.create("shop", "application")
    async with Keyring.open(store) as one, Keyring.open(store) as other:
        await store.revoke(key.id)
        async with asyncio.timeout(1.0):
            while one.authenticate(secret) or other.authenticate(secret):
                await asyncio.sleep(0.01)


async def test_every_change_is_in_the_trail_and_no_secret_is(store: KeyStore) -> None:
    key, old = await store.create("shop", "application")
    await store.change(key.id, lambda terms: replace(terms, limits=LIMITS))
    _, new = await store.rotate(key.id, HOUR)
    async with store.database.read() as connection:
        rows = (await connection.execute(select(*TransitionRow.__table__.columns))).all()
    assert [row.cause for row in rows] == ["key created", "key changed", "key rotated"]
    assert rows[1].after["limits"]["requests_per_minute"] == 60
    assert old not in str(rows)
    assert new not in str(rows)


async def test_a_policy_that_the_ledger_does_not_know_is_no_keys(store: KeyStore) -> None:
    with pytest.raises(NotInLedger, match="no guard policy lax"):
        await store.create("shop", "application", Terms(policy="lax"))


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"requests_per_minute": 0}, "limits.requests_per_minute"),
        ({"requests_per_hour": 1}, "limits.requests_per_hour"),
        ({"budget_per": "week"}, "limits.budget_per"),
        ("much", "limits"),
    ],
)
def test_what_is_no_limit_is_named(document: object, named: str) -> None:
    with pytest.raises(TermsInvalid, match=named):
        read_limits(document)


def test_what_is_typed_changes_what_it_names_and_nothing_else() -> None:
    typed = Typed(limits=["requests_per_minute=none", "tokens_per_minute=9"], bounds=["max_n=3"])
    changed = typed.amend(ALL)
    assert changed.limits == KeyLimits(tokens_per_minute=9, budget_tokens=1000, budget_per="day")
    assert changed.bounds == KeyBounds(max_n=3, may_explain=False)
    assert (changed.expires_at, changed.policy) == (ALL.expires_at, None)


def test_none_takes_a_term_away() -> None:
    terms = replace(ALL, policy="strict")
    assert Typed(expires="none", policy="none").amend(terms) == replace(ALL, expires_at=None)


@pytest.mark.parametrize(("typed", "hours"), [("90d", 2160), ("2h", 2), ("30m", 0.5), ("1800s", 0.5)])
def test_spans_are_typed_with_a_unit(typed: str, hours: float) -> None:
    assert span_of(typed) == timedelta(hours=hours)


@pytest.mark.parametrize("typed", ["", "1", "h", "-1h", "1.5h", "1w", "9999999d"])
def test_what_is_no_span_is_refused(typed: str) -> None:
    with pytest.raises(TermsInvalid, match="span"):
        span_of(typed)


def test_an_amount_needs_its_name() -> None:
    with pytest.raises(TermsInvalid, match="NAME=VALUE"):
        Typed(limits=["60"]).amend(NO_TERMS)


def test_the_command_line_carries_all_terms(tmp_path: Path) -> None:
    home, run = ["--home", str(tmp_path)], CliRunner()
    made = run.invoke(app, ["create", "shop", "--limit", "requests_per_minute=60", "--json", *home])
    assert made.exit_code == 0, made.output
    key_id = made.stdout.split('"id": "')[1].split('"')[0]
    changed = run.invoke(app, ["set", key_id, "--bound", "max_n=2", "--expires", "90d", "--json", *home])
    assert '"max_n": 2' in changed.stdout
    assert '"requests_per_minute": 60' in changed.stdout
    rotated = run.invoke(app, ["rotate", key_id, "--overlap", "10m", *home])
    assert rotated.stdout.startswith("sk-tt-")
    wrong = run.invoke(app, ["set", key_id, "--limit", "speed=1", *home])
    assert (wrong.exit_code, "limits.speed" in wrong.stderr) == (1, True)
