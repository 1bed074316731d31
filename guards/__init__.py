"""Floor 1: screening of text; a library that imports nothing of ours.

from guards import Screen, Segment, load_policy
screening = await Screen(load_policy()).reply([Segment("…", "reply")])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guards.policy.load import GuardPolicy, load_policy
    from guards.screen import Screen
    from guards.verdict import Action, Context, PolicyRefused, Screening, Segment, Verdict
    from guards.window import Window

__all__ = [
    "Action",
    "Context",
    "GuardPolicy",
    "PolicyRefused",
    "Screen",
    "Screening",
    "Segment",
    "Verdict",
    "Window",
    "load_policy",
]

HOMES = {
    "GuardPolicy": "guards.policy.load",
    "load_policy": "guards.policy.load",
    "Screen": "guards.screen",
    "Window": "guards.window",
}


def __getattr__(name: str) -> Any:
    """Loads a public name's module when it is first asked for, so that `import guards` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'guards' has no attribute {name!r}")
    return getattr(import_module(HOMES.get(name, "guards.verdict")), name)
