"""Evidence as records that a policy can decide on, and what was done at the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.ledger.evidence import verdicts_of
from guards.hindsight.record import Heard, Record
from guards.verdict import Action, Where

FAILED = "failed"  # stands where a hazard would, for a guard that could not decide


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a policy found, and what it did about it."""

    guard: str
    hazard: str
    action: Action
    part: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy makes of one screening."""

    action: Action
    found: tuple[Found, ...] = ()


NOTHING_FOUND = Outcome(Action.ALLOW)


def outcome_then(said: Mapping[str, Any]) -> Outcome:
    """What was done at the time."""
    found = [Found(guard, hazard, Action(action), part) for guard, hazard, action, part in said.get("d", ())]
    found += [Found(guard, FAILED, Action(action)) for guard, action in said.get("f", ())]
    return Outcome(Action(said["a"]), tuple(found))


def record_of(
    said: Mapping[str, Any], where: Where, panel: Mapping[str, str], texts: Sequence[str | None] = ()
) -> Record:
    """The record of a screening; `texts` of its first segments where they are known."""
    verdicts = iter(verdicts_of(said))
    segments = []
    for place, (part, share) in enumerate(zip(said["s"], said["n"], strict=True)):
        own = [next(verdicts) for _ in range(share)]
        text = texts[place] if place < len(texts) else None
        segments.append(Heard(part, {each.guard: each for each in own}, text))
    failed = frozenset(guard for guard, _ in said.get("f", ()))
    return Record(where, tuple(segments), panel, failed, said.get("u", {}))
