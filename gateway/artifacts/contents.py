"""What a version's directory is made of: the files that decide what it says, and the digest of them."""

import hashlib
import json
from pathlib import Path

from gateway.admin.weights.files import digest_of_model, holds_model, names_of_model
from gateway.errors import BadRequest

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def names_in(folder: Path) -> list[str]:
    """The files of an adapter or of a whole model; raises BadRequest when it is neither."""
    return names_of_model(folder) if holds_model(folder) else [CONFIG, WEIGHTS]


def digest_in(folder: Path) -> str:
    """SHA-256 over them, an adapter's or a whole model's; raises BadRequest when it is neither."""
    return digest_of_model(folder) if holds_model(folder) else digest_of(folder)


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
