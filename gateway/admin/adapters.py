"""A directory as a version, an adapter's or a whole model's: named by its content, refused once that has changed."""

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.admin.versions import FULL, Version
from gateway.admin.weights.files import digest_of_model, holds_model
from gateway.errors import BadRequest, Conflict

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


async def version_of(
    path: str, base: str, name: str | None, parent: str | None, lineage: Mapping[str, Any]
) -> Version:
    """The version that a directory makes; raises BadRequest when it holds neither an adapter nor a model."""
    full = holds_model(Path(path))
    digest = await asyncio.to_thread(digest_of_model if full else digest_of, absolute(Path(path)))
    chosen = name or f"version-{digest[:12]}"
    if not NAME.fullmatch(chosen):
        raise BadRequest("id: letters, digits, '.', '_' and '-', at most 80", param="id")
    if chosen == base:
        raise BadRequest("id: this is the base model's own name", param="id")
    told = {**lineage, "digest": digest}
    told.pop("kind", None)  # the files say that, and nobody else
    if full:
        told["kind"] = FULL
    return Version(chosen, base, path, parent, told, "registered", datetime.now(UTC))


async def check_unchanged(version: Version) -> None:
    """Raises Conflict when the version's files are gone, or are not those that were registered."""
    if version.path is None:
        return
    try:
        read = digest_of_model if version.full else digest_of
        digest = await asyncio.to_thread(read, Path(version.path))
    except BadRequest as error:
        raise Conflict(f"{version.id} cannot be loaded: {error}", param="version") from None
    if digest != version.digest:
        raise Conflict(f"the files of {version.id} have changed since it was registered", param="version")


def absolute(folder: Path) -> Path:
    """The folder; raises BadRequest when it depends on where one stands."""
    if not folder.is_absolute():
        raise BadRequest("path: must be absolute, as engines see it", param="path")
    return folder


def digest_of(folder: Path) -> str:
    """SHA-256 over an adapter's configuration and weights; raises BadRequest when the folder holds none."""
    absolute(folder)
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        try:
            with (folder / name).open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadRequest(f"path: {name} cannot be read there: {reason}", param="path") from None
    try:
        json.loads((folder / CONFIG).read_text())
    except ValueError:
        raise BadRequest(f"path: {CONFIG} is not JSON", param="path") from None
    return digest.hexdigest()
