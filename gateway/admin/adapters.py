"""A directory as a version, an adapter's or a whole model's: named by its content, refused once that has changed."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.admin.versions import FULL, Version
from gateway.admin.weights.files import holds_model
from gateway.artifacts.contents import absolute, digest_in
from gateway.artifacts.fetching import ARTIFACT
from gateway.artifacts.store import ArtifactsFailed, ArtifactStore
from gateway.errors import BadRequest, Conflict, UpstreamFailed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
OURS = ("kind", ARTIFACT)  # the files and the store say these, and nobody else


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version's files lie for engines, and where every other machine gets them."""

    folder: Path
    artifact: str | None = None


async def version_of(
    place: Place, base: str, name: str | None, parent: str | None, lineage: Mapping[str, Any]
) -> Version:
    """The version that a directory makes; raises BadRequest when it holds neither an adapter nor a model."""
    digest = await asyncio.to_thread(digest_in, absolute(place.folder))
    chosen = name or f"version-{digest[:12]}"
    if not NAME.fullmatch(chosen):
        raise BadRequest("id: letters, digits, '.', '_' and '-', at most 80", param="id")
    if chosen == base:
        raise BadRequest("id: this is the base model's own name", param="id")
    told = {**{key: value for key, value in lineage.items() if key not in OURS}, "digest": digest}
    if holds_model(place.folder):
        told["kind"] = FULL
    if place.artifact:
        told[ARTIFACT] = place.artifact
    return Version(chosen, base, str(place.folder), parent, told, "registered", datetime.now(UTC))


async def placed(path: str, store: ArtifactStore | None) -> Place:
    """Where a version lies that an operator names by a directory, or by its URL in the store.

    With a store it is kept there first. Raises BadRequest, or UpstreamFailed when the store is away.
    """
    if store is None:
        return Place(Path(path))
    try:
        url = path if store.owns(path) else await asyncio.to_thread(store.keep, absolute(Path(path)))
        return Place(await asyncio.to_thread(store.fetch, url), url)
    except ArtifactsFailed as error:
        raise UpstreamFailed(f"path: {error}", param="path", code="artifact_unavailable") from None


async def check_unchanged(version: Version) -> None:
    """Raises Conflict when the version's files are gone, or are not those that were registered."""
    if version.path is None:
        return
    try:
        digest = await asyncio.to_thread(digest_in, Path(version.path))
    except BadRequest as error:
        raise Conflict(f"{version.id} cannot be loaded: {error}", param="version") from None
    if digest != version.digest:
        raise Conflict(f"the files of {version.id} have changed since it was registered", param="version")
