"""Where the files lie that a policy names: beside the policy itself."""

from pathlib import Path

from pydantic import ValidationInfo


def beside(path: Path, info: ValidationInfo) -> Path:
    """The path, read from the policy's folder; ValueError where the policy is confined to it and leaves it."""
    context = info.context or {}
    folder: Path = context.get("folder", Path())
    found = folder / path
    if context.get("confined") and not found.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is not in the folder of the configured policy, the only one it may read")
    return found
