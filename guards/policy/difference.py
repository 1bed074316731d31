"""What differs between two policies in effect, place by place. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guards.policy.load import UNENFORCED, GuardPolicy

ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A place of the document, and what stands there before and after; None where nothing does."""

    place: str
    before: Any
    after: Any


def differences(before: GuardPolicy, after: GuardPolicy) -> list[Difference]:
    """Every place at which two policies differ once all that they extend is merged in and defaults are filled."""
    found = list(_compared("", said_by(before), said_by(after)))
    known = before.revisions
    for guard, revision in after.revisions.items():
        if guard in known and known[guard] != revision:
            found.append(Difference(f"guards.{guard} (lists or weights)", known[guard][:12], revision[:12]))
    return found


def said_by(policy: GuardPolicy) -> dict[str, Any]:
    """The document as plain data, its guards by their ids."""
    said = policy.document.model_dump(mode="json", by_alias=True, exclude=UNENFORCED)
    return {**said, "guards": {guard["id"]: guard for guard in said["guards"]}}


def _compared(place: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            inner = f"{place}.{key}" if place else str(key)
            yield from _compared(inner, before.get(key, ABSENT), after.get(key, ABSENT))
    elif before != after:
        yield Difference(place, _shown(before), _shown(after))


def _shown(value: Any) -> Any:
    return None if value is ABSENT else value
