"""Where the files lie that a policy names: beside the document that names them."""

import os
from pathlib import Path

from pydantic import ValidationInfo

from guards.policy.source import Node

LONGEST_NAME, LONGEST_PATH = 255, 4000  # bytes
NAMING_FILES = ("files", "model")  # what kinds call them in their config


def beside(path: Path, info: ValidationInfo) -> Path:
    """The path, read from the policy's folder; ValueError where the policy is confined to it and leaves it."""
    context = info.context or {}
    folder: Path = context.get("folder", Path())
    found = folder / path
    if not can_be(found):
        raise ValueError("is no name that a file can have")
    if context.get("confined") and not found.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is not in the folder of the configured policy, the only one it may read")
    return found


def seen_from(folder: Path, document: Node, own: Path) -> Node:
    """The document as one in another folder says it: names of files that lie in its `own` lead there.

    What does not lie there is left as it is: the name of a hub's model, or a file beside whoever builds upon this.
    """
    guards = document.under("guards")
    if guards is None or not isinstance(guards.value, list) or folder.resolve() == own.resolve():
        return document
    moved = [with_files(guard, folder, own) for guard in guards.value]
    return Node({**document.value, "guards": Node(moved, guards.mark)}, document.mark)


def with_files(guard: Node, folder: Path, own: Path) -> Node:
    """A guard whose config names its files from the other folder."""
    config = guard.under("config")
    if config is None or not isinstance(config.value, dict):
        return guard
    names = {
        key: renamed(value, folder, own) if key in NAMING_FILES else value
        for key, value in config.value.items()
    }
    return Node({**guard.value, "config": Node(names, config.mark)}, guard.mark)


def renamed(named: Node, folder: Path, own: Path) -> Node:
    """One name, or each of several."""
    if isinstance(named.value, list):
        return Node([renamed(each, folder, own) for each in named.value], named.mark)
    if not isinstance(named.value, str) or not named.value:
        return named
    file = own / named.value
    return Node(os.path.relpath(file, folder), named.mark) if can_be(file) and file.exists() else named


def can_be(path: Path) -> bool:
    """Whether a file could be called so, here as on other systems."""
    try:
        sizes = [len(os.fsencode(part)) for part in path.parts]
    except UnicodeEncodeError:
        return False
    return (
        max(sizes, default=0) <= LONGEST_NAME
        and sum(sizes) + len(sizes) <= LONGEST_PATH
        and "\0" not in str(path)
    )
