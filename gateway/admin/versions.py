"""Versions in the ledger: what they are made of, where they come from, and how far they have come."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.trail import Change, note
from gateway.errors import BadRequest, Conflict, NotFound
from gateway.ledger.database import Database
from gateway.ledger.swap_tables import WeightSwapRow
from gateway.ledger.tables import ExchangeRow, RouteRow, VersionRow

FULL = "weights"  # the kind of a version with weights of its own
State = Literal["registered", "staged", "retired"]


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable state of the policy model; without a path it is the bare base model."""

    id: str
    base: str
    path: str | None
    parent: str | None
    lineage: dict[str, Any]
    state: State
    created_at: datetime

    @property
    def model(self) -> str:
        """The name that engines serve it under, or by which one that holds its weights is found."""
        return self.id if self.path else self.base

    @property
    def full(self) -> bool:
        """Whether it has weights of its own, instead of an adapter on the base model's."""
        return self.lineage.get("kind") == FULL

    @property
    def directory(self) -> Path | None:
        """Where its files lie, as engines see it; None for the base model."""
        return Path(self.path) if self.path else None

    @property
    def digest(self) -> str | None:
        """The SHA-256 of its files; None for the base model."""
        return self.lineage.get("digest")


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions in a database."""

    database: Database

    async def all(self) -> list[Version]:
        """Every version, oldest first."""
        async with self.database.read() as connection:
            return await versions_in(connection)

    async def get(self, version_id: str) -> Version:
        """One version; raises NotFound."""
        for version in await self.all():
            if version.id == version_id:
                return version
        raise NotFound(f"there is no version {version_id[:80]!r}", param="version")

    async def register(self, version: Version, actor: str) -> Version:
        """Make a version known; doing it again with the same content changes nothing."""
        async with self.database.write() as connection:
            known = {each.id: each for each in await versions_in(connection)}
            if (before := known.get(version.id)) is not None:
                return same(before, version)
            if version.parent is not None and version.parent not in known:
                raise BadRequest(f"parent: there is no version {version.parent[:80]!r}", param="parent")
            values = {name: getattr(version, name) for name in Version.__slots__}
            await connection.execute(insert(VersionRow).values(**values))
            told = Change("version", version.id, {}, {"state": version.state}, "registered", version.lineage)
            await note(connection, told, actor)
        return version

    async def rebase(self, version: Version, actor: str) -> None:
        """Put another model under the base version, as after a slip at the first start; its alias is named anew.

        Raises Conflict once anything rests on the model before, or may: a database that others share is left alone.
        """
        async with self.database.write() as connection:
            before, *others = await versions_in(connection)
            if not others and before.base == version.base:
                return  # another worker was faster
            routed = len(list(await connection.scalars(select(RouteRow.alias))))
            answered = await connection.scalar(select(ExchangeRow.id).limit(1))
            shared = connection.dialect.name != "sqlite"
            if others or shared or routed > 1 or answered is not None:
                raise Conflict(f"version {version.id} is in use; a version never changes", param="id")
            await connection.execute(delete(RouteRow))
            await connection.execute(update(VersionRow).values(base=version.base))
            change = Change("version", version.id, {"base": before.base}, {"base": version.base}, "renamed")
            await note(connection, change, actor)

    async def move(self, version: Version, state: State, actor: str, evidence: dict[str, Any]) -> None:
        """Bring a version to another state; raises Conflict when it would be retired while routed or swapped."""
        change = Change("version", version.id, {"state": version.state}, {"state": state}, state, evidence)
        this = VersionRow.id == version.id
        async with self.database.write() as connection:
            if state == "retired":
                await refuse_routed(connection, version)
                await refuse_swapped(connection, version)
            moved = await connection.execute(
                update(VersionRow).where(this, VersionRow.state != state).values(state=state)
            )
            if moved.rowcount:
                await note(connection, change, actor)


async def versions_in(connection: AsyncConnection) -> list[Version]:
    """Every version, oldest first, within a transaction."""
    query = select(*VersionRow.__table__.columns).order_by(VersionRow.created_at, VersionRow.id)
    return [Version(**row) for row in (await connection.execute(query)).mappings()]


def staged_in(versions: Iterable[Version]) -> dict[str, Version]:
    """Those that engines should serve, by their ids."""
    return {version.id: version for version in versions if version.state == "staged"}


async def refuse_routed(connection: AsyncConnection, version: Version) -> None:
    """Raises Conflict while any alias leads to the version."""
    query = select(RouteRow.alias).where(RouteRow.version == version.id)
    if routed := list(await connection.scalars(query)):
        raise Conflict(f"{version.id} still answers for {', '.join(routed)}", param="version")


async def refuse_swapped(connection: AsyncConnection, version: Version) -> None:
    """Raises Conflict while a swap of full weights is to lead an alias to the version, or back to it."""
    query = select(WeightSwapRow.began, WeightSwapRow.wanted).where(WeightSwapRow.running == 1)
    for weights in (await connection.execute(query)).one_or_none() or ():
        if version.id in weights:
            raise Conflict(f"a swap under way needs {version.id}", param="version", code="swapping")


def same(known: Version, told: Version) -> Version:
    """The known version when both have the same content; raises Conflict when they do not."""
    if (known.base, known.digest) != (told.base, told.digest):
        raise Conflict(f"version {known.id} has other content; a version never changes", param="id")
    return known
