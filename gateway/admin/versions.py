"""Versions in the ledger: what they are made of, where they come from, and how far they have come."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import insert, select, update

from gateway.admin.trail import Change, note
from gateway.errors import BadRequest, Conflict, NotFound
from gateway.ledger.database import Database
from gateway.ledger.tables import VersionRow

State = Literal["registered", "staged", "retired"]
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


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
        """The name that engines serve it under."""
        return self.id if self.path else self.base


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions in a database."""

    database: Database

    async def all(self) -> list[Version]:
        """Every version, oldest first."""
        query = select(*VersionRow.__table__.columns).order_by(VersionRow.created_at, VersionRow.id)
        async with self.database.read() as connection:
            return [Version(**row) for row in (await connection.execute(query)).mappings()]

    async def get(self, version_id: str) -> Version:
        """One version; raises NotFound."""
        query = select(*VersionRow.__table__.columns).where(VersionRow.id == version_id)
        async with self.database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise NotFound(f"there is no version {version_id[:80]!r}", param="version")
        return Version(**row)

    async def register(self, version: Version, actor: str) -> Version:
        """Make a version known; doing it again with the same content changes nothing."""
        known = {each.id: each for each in await self.all()}
        if (before := known.get(version.id)) is not None:
            return same(before, version)
        if version.parent is not None and version.parent not in known:
            raise BadRequest(f"parent: there is no version {version.parent[:80]!r}", param="parent")
        values = {name: getattr(version, name) for name in Version.__slots__}
        change = Change("version", version.id, {}, {"state": version.state}, "registered", version.lineage)
        async with self.database.write() as connection:
            await connection.execute(insert(VersionRow).values(**values))
            await note(connection, change, actor)
        return version

    async def move(self, version: Version, state: State, actor: str, evidence: dict[str, Any]) -> None:
        """Bring a version to another state."""
        change = Change("version", version.id, {"state": version.state}, {"state": state}, state, evidence)
        async with self.database.write() as connection:
            await connection.execute(
                update(VersionRow).where(VersionRow.id == version.id).values(state=state)
            )
            await note(connection, change, actor)


def same(known: Version, told: Version) -> Version:
    """The known version when both have the same content; raises Conflict when they do not."""
    if (known.base, known.lineage.get("digest")) != (told.base, told.lineage.get("digest")):
        raise Conflict(f"version {known.id} has other content; a version never changes", param="id")
    return known


def version_of(
    path: str, base: str, name: str | None, parent: str | None, lineage: dict[str, Any]
) -> Version:
    """The version that an adapter directory makes; raises BadRequest when it is none."""
    digest = digest_of(Path(path))
    chosen = name or f"version-{digest[:12]}"
    if not NAME.fullmatch(chosen):
        raise BadRequest("id: letters, digits, '.', '_' and '-', at most 80", param="id")
    lineage = {**lineage, "digest": digest}
    return Version(chosen, base, path, parent, lineage, "registered", datetime.now(UTC))


def digest_of(folder: Path) -> str:
    """SHA-256 over an adapter's configuration and weights; raises BadRequest when the folder holds none."""
    if not folder.is_absolute():
        raise BadRequest("path: must be absolute, as engines see it", param="path")
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise BadRequest(f"path: {name} cannot be read there: {error.strerror}", param="path") from None
    try:
        json.loads((folder / CONFIG).read_text())
    except ValueError:
        raise BadRequest(f"path: {CONFIG} is not JSON", param="path") from None
    return digest.hexdigest()
