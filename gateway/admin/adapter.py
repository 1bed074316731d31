"""An adapter directory as the gateway knows it: by the SHA-256 of its files, so that it cannot change unseen."""

import hashlib
import json
from pathlib import Path
from typing import Any

from gateway.errors import BadRequest

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def fingerprint(path: Path) -> dict[str, str]:
    """The SHA-256 of each file that makes the adapter; raises BadRequest when this is no adapter."""
    if not path.is_absolute():
        raise BadRequest("give the adapter's absolute path: engines must find it there too", param="path")
    try:
        present = [name for name in (CONFIG, *WEIGHTS) if (path / name).is_file()]
        if CONFIG not in present or len(present) != 2:
            raise BadRequest(f"{path} needs {CONFIG} and one of {', '.join(WEIGHTS)}", param="path")
        _config(path)
        return {name: _sha256(path / name) for name in present}
    except OSError as error:
        raise BadRequest(f"{path} cannot be read here: {error.strerror}", param="path") from error


def version_id(base: str, files: dict[str, str]) -> str:
    """A name that the same base and files always get, and others never do."""
    content = json.dumps({"base": base, "files": files}, sort_keys=True)
    return f"policy-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads((path / CONFIG).read_bytes())
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise BadRequest(f"{path / CONFIG} is not a JSON object", param="path")
    return config


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
