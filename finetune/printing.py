"""Output for machines."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from gateway.engines.providers import shown


def presentable(told: Any) -> Any:
    """The same with every URL as people may see it: without credentials."""
    if isinstance(told, Mapping):
        return {name: presentable(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return [presentable(value) for value in told]
    return shown(told) if isinstance(told, str) and told.startswith(("http://", "https://")) else told


def print_json(told: Mapping[str, Any]) -> None:
    """One JSON object on the standard output."""
    sys.stdout.write(json.dumps(told, indent=2, default=str) + "\n")
