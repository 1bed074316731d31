"""Guard policies in the ledger: known by what they decide, which never changes, numbered; and where they stand.

A policy is in force for all, or stands at a place: `alias:NAME` for the requests of one alias, `shadow` beside all.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.trail import Change, note
from gateway.ledger.database import Database
from gateway.ledger.policy_tables import PolicyPlaceRow, PolicyRow
from gateway.ledger.tables import KeyRow
from guards.policy.load import GuardPolicy

Json = dict[str, Any]
SHADOW = "shadow"
OF_ALIAS = "alias:"
SHOWN = (
    PolicyRow.digest.label("hash"),
    PolicyRow.number,
    PolicyRow.name,
    PolicyRow.active,
    PolicyRow.created_at,
)
NEWEST = func.coalesce(PolicyRow.chosen_at, PolicyRow.created_at)  # put in force last, or kept


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy as the ledger keeps it."""

    digest: str
    document: str  # as its author wrote it
    effective: str | None  # with all that it extended merged in

    @property
    def text(self) -> str:
        """What it is read from again: what it extended may have changed since."""
        return self.effective or self.document


def effective(policy: GuardPolicy) -> str:
    """A policy's document in effect, as JSON, which is YAML as well."""
    said = policy.document.model_dump(mode="json", by_alias=True, exclude={"extends", "without"})
    return json.dumps(said, ensure_ascii=False)


class PolicyStore:
    """Reads and writes the ledger's policies."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def keep(
        self, policy: GuardPolicy, configured: str, change: Change | None = None, actor: str = ""
    ) -> None:
        """Keep a policy that is new, under the next number; of one that decides the same the newest wording is kept."""
        async with self.database.write() as connection:
            if await _kept(connection, policy, configured) and change is not None:
                await note(connection, change, actor)

    async def put_in_force(self, policy: GuardPolicy, configured: str, change: Change, actor: str) -> None:
        """Keep a policy, and make it the only one that stands in for the configured one."""
        async with self.database.write() as connection:
            await _kept(connection, policy, configured)
            await connection.execute(update(PolicyRow).values(active=False))
            chosen = {"active": True, "replaced": configured, "chosen_at": datetime.now(UTC)}
            await connection.execute(
                update(PolicyRow).where(PolicyRow.digest == policy.hash).values(**chosen)
            )
            await note(connection, change, actor)

    async def put_at(
        self, place: str, policy: GuardPolicy, configured: str, change: Change, actor: str
    ) -> None:
        """Keep a policy, and let it stand at a place, alone."""
        async with self.database.write() as connection:
            await _kept(connection, policy, configured)
            await connection.execute(delete(PolicyPlaceRow).where(PolicyPlaceRow.place == place))
            await connection.execute(insert(PolicyPlaceRow).values(place=place, policy=policy.hash))
            await note(connection, change, actor)

    async def clear(self, place: str, change: Change, actor: str) -> None:
        """Let no policy stand at a place any more."""
        async with self.database.write() as connection:
            await connection.execute(delete(PolicyPlaceRow).where(PolicyPlaceRow.place == place))
            await note(connection, change, actor)

    async def places(self) -> dict[str, str]:
        """The digest of the policy at each place."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(PolicyPlaceRow.place, PolicyPlaceRow.policy))
            return {row.place: row.policy for row in rows}

    async def listed(self) -> list[Json]:
        """All that are kept, the newest first, without their documents; each with its places."""
        at: dict[str, list[str]] = {}
        for place, digest in (await self.places()).items():
            at.setdefault(digest, []).append(place)
        async with self.database.read() as connection:
            rows = await connection.execute(select(*SHOWN).order_by(PolicyRow.number.desc()))
            return [{**row, "places": sorted(at.get(row["hash"], []))} for row in rows.mappings()]

    async def find(self, reference: str) -> Json | None:
        """A policy by its number, its digest or that one's first characters, or by its name; None where that is nobody.

        Of several with one name it is the one that was last put in force, or kept: the one that keys mean by it.
        """
        columns = select(*SHOWN, PolicyRow.document, PolicyRow.effective)
        async with self.database.read() as connection:
            if (wanted := _by_number_or_digest(reference)) is not None:
                rows = (await connection.execute(columns.where(wanted).limit(2))).mappings().all()
                if len(rows) == 1:
                    return dict(rows[0])
            called = columns.where(PolicyRow.name == reference).order_by(
                NEWEST.desc(), PolicyRow.number.desc()
            )
            row = (await connection.execute(called.limit(1))).mappings().first()
        return None if row is None else dict(row)

    async def active_beside(self, configured: str) -> Kept | None:
        """The policy that stands in for the configured one."""
        return await self._one(PolicyRow.active, PolicyRow.replaced == configured)

    async def kept(self, digest: str) -> Kept | None:
        """The policy of a digest."""
        return await self._one(PolicyRow.digest == digest)

    async def _one(self, *wanted: Any) -> Kept | None:
        columns = select(PolicyRow.digest, PolicyRow.document, PolicyRow.effective).where(*wanted)
        async with self.database.read() as connection:
            row = (await connection.execute(columns)).first()
        return None if row is None else Kept(row.digest, row.document, row.effective)

    async def named_by_keys(self) -> Mapping[str, str | None]:
        """What keys that are not revoked call their policies, and the digest that is meant; None where none is."""
        valid = (KeyRow.policy.is_not(None), KeyRow.revoked_at.is_(None))
        async with self.database.read() as connection:
            names = (await connection.execute(select(KeyRow.policy).where(*valid).distinct())).scalars().all()
            if not names:
                return {}
            known = or_(PolicyRow.digest.in_(names), PolicyRow.name.in_(names))
            columns = select(PolicyRow.digest, PolicyRow.name).where(known).order_by(NEWEST)
            rows = [(row.digest, row.name) for row in await connection.execute(columns)]
        return {str(name): meant(str(name), rows) for name in names}


def _by_number_or_digest(reference: str) -> ColumnElement[bool] | None:
    """What a number, or eight characters of a digest, would match; None for what is neither."""
    if reference.isdecimal() and len(reference) < 8:
        return PolicyRow.number == int(reference)
    return PolicyRow.digest.startswith(reference, autoescape=True) if len(reference) >= 8 else None


def meant(name: str, policies: Iterable[tuple[str, str | None]]) -> str | None:
    """The digest that a name means among (digest, name) from old to new: its own, or else the newest so called."""
    found = None
    for digest, called in policies:
        if digest == name:
            return digest
        found = digest if called == name else found
    return found


async def _kept(connection: AsyncConnection, policy: GuardPolicy, configured: str) -> bool:
    known = select(PolicyRow.document).where(PolicyRow.digest == policy.hash)
    if (before := (await connection.execute(known)).first()) is not None:
        if (
            before.document != policy.text
        ):  # it decides the same; its cases, comments and description are newer
            newer = {"document": policy.text, "effective": effective(policy)}
            await connection.execute(update(PolicyRow).where(PolicyRow.digest == policy.hash).values(**newer))
        return False
    last = (await connection.execute(select(func.max(PolicyRow.number)))).scalar() or 0
    row = {
        "digest": policy.hash,
        "name": policy.name,
        "document": policy.text,
        "effective": effective(policy),
        "number": last + 1,
        "replaced": configured,
        "active": False,
        "created_at": datetime.now(UTC),
    }
    await connection.execute(insert(PolicyRow).values(**row))
    return True
