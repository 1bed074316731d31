"""Output for machines."""

import json
import sys
from collections.abc import Mapping
from typing import Any


def print_json(told: Mapping[str, Any]) -> None:
    """One JSON object on the standard output."""
    sys.stdout.write(json.dumps(told, indent=2, default=str) + "\n")
