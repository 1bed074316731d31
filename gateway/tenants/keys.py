"""Keys: random secrets, kept as SHA-256 digests, shown once, with a role.

A secret has 256 random bits, so one plain digest is as good as a slow one: there is nothing to guess.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

from sqlalchemy import Row, insert, select, update

from gateway.callers import Role
from gateway.ledger.contract import NotInLedger
from gateway.ledger.database import Database
from gateway.ledger.tables import KeyRow, TransitionRow

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


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The keys in the ledger's database; `actor` is who is written down as the cause of changes."""

    database: Database
    actor: str

    async def create(self, name: str, role: Role) -> tuple[Key, str]:
        """Make a key; its secret is returned here and never again."""
        secret = PREFIX + secrets.token_urlsafe(32)
        key = Key(f"key-{secrets.token_hex(6)}", name, role, secret[-4:], datetime.now(UTC))
        async with self.database.write() as connection:
            row = {"id": key.id, "digest": digest(secret), "hint": key.hint, "name": name, "role": role}
            await connection.execute(insert(KeyRow).values(**row, created_at=key.created_at, revoked_at=None))
            await connection.execute(insert(TransitionRow).values(**self._change(key, "created")))
        return key, secret

    async def revoke(self, key_id: str) -> Key:
        """End a key's validity; raises NotInLedger when there is no such key."""
        async with self.database.write() as connection:
            still = (KeyRow.id == key_id, KeyRow.revoked_at.is_(None))
            ended = await connection.execute(
                update(KeyRow).where(*still).values(revoked_at=datetime.now(UTC))
            )
            found = (await connection.execute(select(KeyRow.__table__).where(KeyRow.id == key_id))).first()
            if found is None:
                raise NotInLedger(f"there is no key {key_id}")
            key = key_of(found)
            if ended.rowcount:
                await connection.execute(insert(TransitionRow).values(**self._change(key, "revoked")))
        return key

    async def all(self) -> list[Key]:
        """Every key that was ever made, oldest first."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(KeyRow.__table__).order_by(KeyRow.created_at, KeyRow.id))
            return [key_of(row) for row in rows]

    async def valid(self) -> dict[str, Key]:
        """The keys that are valid now, by the digest of their secret."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(KeyRow.__table__).where(KeyRow.revoked_at.is_(None)))
            return {row.digest: key_of(row) for row in rows}

    def _change(self, key: Key, what: str) -> dict[str, object]:
        return {
            "kind": "key",
            "subject": key.id,
            "before": {},
            "after": {"state": what, "role": key.role, "name": key.name},
            "cause": f"key {what}",
            "actor": self.actor,
            "evidence": {},
            "created_at": datetime.now(UTC),
        }


def digest(secret: str) -> str:
    """What a secret is known by."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def key_of(row: Row[tuple[object, ...]]) -> Key:
    """A key from its row, without the digest."""
    return Key(row.id, row.name, row.role, row.hint, row.created_at, row.revoked_at)
