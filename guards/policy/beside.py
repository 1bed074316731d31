"""Where the files lie that a policy names: beside the document that names them."""

import os
from pathlib import Path

from pydantic import ValidationInfo

from guards.policy.source import Node

NAMING_FILES = ("files", "model")  # what kinds call them in their config


def beside(path: Path, info: ValidationInfo) -> Path:
    """The path, read from the policy's folder; ValueError where the policy is confined to it and leaves it."""
    context = info.context or {}
    folder: Path = context.get("folder", Path())
    found = folder / path
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
    if not isinstance(named.value, str) or not is_there(own / named.value):
        return named
    return Node(os.path.relpath(own / named.value, folder), named.mark)


def is_there(path: Path) -> bool:
    """Whether there is such a file; a text that can be no path names none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
