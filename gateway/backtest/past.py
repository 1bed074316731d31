"""Evidence as records that a policy can decide on, and what was done at the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from guards.hindsight.record import Heard, Record
from guards.verdict import Action, Segment, Span, Verdict, Where

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
    if "d" not in said and said["a"] == Action.ALLOW:
        return NOTHING_FOUND
    found = [Found(guard, hazard, Action(action), part) for guard, hazard, action, part in said.get("d", ())]
    found += [Found(guard, FAILED, Action(action)) for guard, action in said.get("f", ())]
    return Outcome(Action(said["a"]), tuple(found))


def segments_of(said: Mapping[str, Any], where: Where) -> list[Segment]:
    """The segments of a screening, without their texts."""
    ages = said.get("t") or [0] * len(said["s"])
    return [Segment("", where, part, turns_ago=age) for part, age in zip(said["s"], ages, strict=True)]


def verdict_of(told: Sequence[Any], names: Sequence[str]) -> Verdict:
    """A verdict of the evidence; how long it took does not matter any more."""
    name = names[told[0]]
    if len(told) < 3:
        return silent(name)
    return Verdict(name, told[2], tuple(Span(*span) for span in told[3]) if len(told) > 3 else ())


@cache
def silent(name: str) -> Verdict:
    """The verdict of a guard that had nothing to say, as most have not."""
    return Verdict(name, {})


def record_of(
    said: Mapping[str, Any], where: Where, panel: Mapping[str, str], known: Sequence[Segment | None] = ()
) -> Record:
    """The record of a screening; `known` are its first segments, where their texts are to be had."""
    verdicts = (verdict_of(each, said["b"]) for each in said["v"])
    segments = []
    for place, (segment, share) in enumerate(zip(segments_of(said, where), said["n"], strict=True)):
        own = {each.guard: each for each in (next(verdicts) for _ in range(share))}
        whole = known[place] if place < len(known) else None
        segments.append(Heard(whole or segment, own, known=whole is not None))
    failed = frozenset(guard for guard, _ in said.get("f", ()))
    return Record(where, tuple(segments), panel, failed, said.get("u", {}))
