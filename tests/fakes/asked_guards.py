"""Guards that ask a service, as a policy makes them, for one direction or both."""

from pathlib import Path
from typing import Any

import yaml

from guards.policy.load import read_policy
from guards.screen import Screen
from guards.services import Services

GENEROUS_MS = 20_000


def asking_screen(
    kind: str, config: dict[str, Any], services: Services, hazards: dict[str, Any] | None = None
) -> Screen:
    """The screen of a policy whose one guard is of this kind."""
    rule = {
        "id": "asking",
        "kind": kind,
        "where": ["prompt", "reply"],
        "on_error": "closed",
        "timeout_ms": GENEROUS_MS,
        "hazards": hazards or {"*": {"action": "flag", "threshold": 0.5}},
        "config": config,
    }
    document = {"name": "asking", "version": 1, "deadline_ms": GENEROUS_MS, "guards": [rule]}
    return Screen(read_policy(yaml.safe_dump(document), "asking.yaml", Path(), services=services))
