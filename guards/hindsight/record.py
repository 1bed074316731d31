"""What is known of a past screening: who said what of which segment, and who could not decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from guards.verdict import Screening, Segment, Verdict, Where


@dataclass(frozen=True, slots=True)
class Heard:
    """One segment, verdicts on it by their guards' ids, and whether its text is `known`; else it has none here."""

    segment: Segment
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    known: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One screening; `panel` says by which fingerprint each guard went, `failed` names those that could not decide."""

    where: Where
    segments: tuple[Heard, ...]
    panel: Mapping[str, str] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    unread: Mapping[str, int] = field(default_factory=dict)  # parts that no guard reads, by kind


def record_of(screening: Screening, where: Where) -> Record:
    """The record of a screening that has just been made, its texts left behind."""
    verdicts = iter(screening.verdicts)
    segments = []
    ages = screening.turns_ago or (0,) * len(screening.parts)
    for part, age, share in zip(screening.parts, ages, screening.shares, strict=True):
        own = [next(verdicts) for _ in range(share)]
        segments.append(Heard(Segment("", where, part, turns_ago=age), {each.guard: each for each in own}))
    failed = frozenset(each.guard for each in screening.failures)
    return Record(where, tuple(segments), screening.panel, failed, screening.unscanned)
