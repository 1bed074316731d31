"""Keys: random secrets, kept as SHA-256 digests, shown once, with a role and terms.

A secret has 256 random bits, so one plain digest is as good as a slow one: there is nothing to guess.
A rotated key keeps its identity: its new secret replaces the old one, which is valid for as long as told.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.callers import Role
from gateway.ledger.contract import NotInLedger
from gateway.ledger.database import Database
from gateway.ledger.policy_tables import PolicyRow
from gateway.ledger.tables import KeyRow, TransitionRow
from gateway.tenants.terms import NO_TERMS, Terms, TermsInvalid, read_bounds, read_limits, written

PREFIX = "sk-tt-"
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as everyone may know it; `hint` is the end of its secret, for people to tell keys apart."""

    id: str
    name: str
    role: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None = None
    terms: Terms = NO_TERMS

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.terms.expires_at is not None and self.terms.expires_at <= now


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The keys in the ledger's database; `actor` is who is written down as the cause of changes."""

    database: Database
    actor: str

    async def create(self, name: str, role: Role, terms: Terms = NO_TERMS) -> tuple[Key, str]:
        """Make a key; its secret is returned here and never again. Raises NotInLedger for an unknown policy."""
        if not name.strip():
            raise TermsInvalid("name: says what the key is for, and must not be empty")
        secret = new_secret()
        now = datetime.now(UTC)
        key = Key(f"key-{secrets.token_hex(6)}", name, role, secret[-4:], now, terms=terms)
        row = {"id": key.id, "name": name, "role": role, "created_at": now}
        async with self.database.write() as connection:
            await _check_policy(connection, terms.policy)
            await connection.execute(insert(KeyRow).values(**row, **_secret(secret), **_columns(terms)))
            await self._note(connection, key, "created", {}, terms.as_json())
        return key, secret

    async def change(self, key_id: str, amend: Callable[[Terms], Terms]) -> Key:
        """Give a key other terms, made of those it has; raises NotInLedger for an unknown key or policy."""
        async with self.database.write() as connection:
            before = await _found(connection, key_id)
            if before.revoked_at is not None:
                raise NotInLedger(f"key {key_id} is revoked; make another one")
            after = replace(before, terms=amend(before.terms))
            await _check_policy(connection, after.terms.policy)
            await connection.execute(
                update(KeyRow).where(KeyRow.id == key_id).values(**_columns(after.terms))
            )
            await self._note(connection, after, "changed", before.terms.as_json(), after.terms.as_json())
        return after

    async def rotate(self, key_id: str, overlap: timedelta) -> tuple[Key, str]:
        """Give a key another secret, returned here and never again; the last one is valid for the overlap.

        Of secrets before the last none survives. Raises NotInLedger for a key that is unknown or revoked.
        """
        secret, until = new_secret(), datetime.now(UTC) + overlap
        async with self.database.write() as connection:
            key = await _found(connection, key_id)
            if key.revoked_at is not None:
                raise NotInLedger(f"key {key_id} is revoked; make another one")
            old = {"previous_digest": KeyRow.digest, "previous_until": until}
            rotated = update(KeyRow).where(KeyRow.id == key_id).values(**old, **_secret(secret))
            await connection.execute(rotated)
            told = {"hint": secret[-4:], "previous_until": until.isoformat()}
            await self._note(connection, key, "rotated", {"hint": key.hint}, told)
        return replace(key, hint=secret[-4:]), secret

    async def revoke(self, key_id: str) -> Key:
        """End a key's validity, whichever of its secrets is used; raises NotInLedger when there is no such key."""
        async with self.database.write() as connection:
            still = (KeyRow.id == key_id, KeyRow.revoked_at.is_(None))
            ended = await connection.execute(
                update(KeyRow).where(*still).values(revoked_at=datetime.now(UTC))
            )
            key = await _found(connection, key_id)
            if ended.rowcount:
                await self._note(connection, key, "revoked", {}, {})
        return key

    async def all(self) -> list[Key]:
        """Every key that was ever made, oldest first."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(KeyRow.__table__).order_by(KeyRow.created_at, KeyRow.id))
            return [key_of(row) for row in rows]

    async def valid(self) -> dict[str, Key]:
        """The keys that are not revoked, by the digest of each secret; when they expire is for the clock to say."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(KeyRow.__table__).where(KeyRow.revoked_at.is_(None)))
            return {known_by: key for row in rows for known_by, key in _by_digest(row)}

    async def _note(
        self, connection: AsyncConnection, key: Key, what: str, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        change = {
            "kind": "key",
            "subject": key.id,
            "before": before,
            "after": {"state": what, "role": key.role, "name": key.name, **after},
            "cause": f"key {what}",
            "actor": self.actor,
            "evidence": {},
            "created_at": datetime.now(UTC),
        }
        await connection.execute(insert(TransitionRow).values(**change))


def new_secret() -> str:
    """A secret that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What a secret is known by."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def key_of(row: Row[tuple[object, ...]]) -> Key:
    """A key from its row, without the digests."""
    terms = Terms(row.expires_at, read_limits(row.limits), read_bounds(row.bounds), row.policy, row.learn)
    return Key(row.id, row.name, row.role, row.hint, row.created_at, row.revoked_at, terms)


def _by_digest(row: Row[tuple[object, ...]]) -> Iterator[tuple[str, Key]]:
    """A key by its secret, and by the last one, with which it expires earlier."""
    key = key_of(row)
    yield row.digest, key
    if row.previous_digest is not None:
        until = min(filter(None, (row.previous_until, key.terms.expires_at)))
        yield row.previous_digest, replace(key, terms=replace(key.terms, expires_at=until))


def _secret(secret: str) -> dict[str, str]:
    return {"digest": digest(secret), "hint": secret[-4:]}


def _columns(terms: Terms) -> dict[str, Any]:
    return {
        "expires_at": terms.expires_at,
        "limits": written(terms.limits),
        "bounds": written(terms.bounds),
        "policy": terms.policy,
        "learn": terms.learn,
    }


async def _found(connection: AsyncConnection, key_id: str) -> Key:
    row = (await connection.execute(select(KeyRow.__table__).where(KeyRow.id == key_id))).first()
    if row is None:
        raise NotInLedger(f"there is no key {key_id}")
    return key_of(row)


async def _check_policy(connection: AsyncConnection, policy: str | None) -> None:
    """Refuse a policy that no gateway could find: a key with it would be refused everything."""
    if policy is None:
        return
    named = or_(PolicyRow.digest == policy, PolicyRow.name == policy)
    if (await connection.execute(select(PolicyRow.digest).where(named))).first() is None:
        raise NotInLedger(f"the ledger knows no guard policy {policy[:200]}")
