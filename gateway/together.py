"""Texts of one answer that are harmless alone and not together: choices, and calls of tools, read one after the other.

Whoever asked for several choices can put them together, and a program may run several calls in a row. So each is read
on from those before it, by the guards that read texts together at all; what makes the whole bad is withheld, and what
stood before it stays.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.trip import Trip
from guards.verdict import Action, Finding, Screening, Segment

PARTS = frozenset({"content", "reasoning", "tool_arguments"})
MOST_EARLIER = 8  # texts


@dataclass(slots=True)
class Said:
    """The texts of an answer so far, by part, as they may be delivered."""

    texts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, segments: Iterable[Segment]) -> None:
        """More of them."""
        for one in segments:
            if one.part in PARTS and (text := words_of(one)):
                self.texts.setdefault(one.part, []).append(text)

    def before(self, segments: Iterable[Segment]) -> list[Segment]:
        """Those of the segments before which something was said, each with that; calls are after one another, too."""
        so_far, found = {part: list(texts) for part, texts in self.texts.items()}, []
        for one in segments:
            if one.part not in PARTS or not (text := words_of(one)):
                continue
            earlier = so_far.setdefault(one.part, [])
            if earlier:
                found.append(replace(one, text=text, earlier=tuple(earlier[-MOST_EARLIER:])))
            earlier.append(text)
        return found


async def read_on(screening: Screening, said: Said, trip: Trip) -> Screening:
    """What the policy makes of a candidate that passed, now that it is read on from what was said before it."""
    segments = [] if screening.withheld else said.before(screening.segments)
    if not segments:
        return screening
    return stricter(screening, await trip.screen.reading_on(segments, trip.context))


def stricter(alone: Screening, joint: Screening) -> Screening:
    """The screening of a text by itself, with what was found only in it and others together.

    What would have to be cut out stands in both of them: it is refused.
    """
    known = {(one.guard, one.hazard): one.action for one in alone.findings}
    findings = [
        one for one in joint.findings if one.action > known.get((one.guard, one.hazard), Action.ALLOW)
    ]
    if not findings and not joint.failures:
        return alone
    more = tuple(map(whole, findings))
    return replace(
        alone,
        action=max(alone.action, *(one.action for one in more), *(one.action for one in joint.failures)),
        findings=(*alone.findings, *more),
        failures=(*alone.failures, *joint.failures),
    )


def whole(finding: Finding) -> Finding:
    """A finding that nothing can be cut out for."""
    return replace(finding, action=Action.REFUSE) if finding.action is Action.REDACT else finding


def words_of(segment: Segment) -> str:
    """A segment's text; of a call's arguments the strings in them, since what stands around those parts nothing."""
    if segment.part != "tool_arguments":
        return segment.text
    try:
        return "\n".join(strings_in(json.loads(segment.text)))
    except (ValueError, RecursionError):
        return segment.text


def strings_in(value: Any) -> Iterator[str]:
    """Every string among the values, in their order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from strings_in(each)
    elif isinstance(value, dict):
        yield from strings_in(list(value.values()))
