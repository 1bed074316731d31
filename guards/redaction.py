"""Cutting spans out of text: what overlaps is merged, and each cut leaves one placeholder."""

from collections.abc import Iterable
from dataclasses import replace

from guards.verdict import Redaction, Span


def redaction_of(span: Span, placeholder: str, *, reversible: bool = False) -> Redaction:
    """The cut for one span; the placeholder may name its {label} and {hazard}."""
    label = span.label or span.hazard.removeprefix("G.")
    text = placeholder.replace("{label}", label).replace("{hazard}", span.hazard)
    return Redaction(span.start, span.end, text, label, reversible)


def merged(redactions: Iterable[Redaction]) -> tuple[Redaction, ...]:
    """Ascending and disjoint; of cuts that overlap, the longest one's placeholder stands for all.

    They are reversible together, or not at all.
    """
    result: list[Redaction] = []
    longest = 0
    for cut in sorted(redactions, key=lambda cut: (cut.start, -cut.end)):
        if cut.start == cut.end:
            continue
        if result and cut.start < result[-1].end:
            last = result[-1]
            named = cut if cut.end - cut.start > longest else last
            both = last.reversible and cut.reversible
            result[-1] = replace(named, start=last.start, end=max(last.end, cut.end), reversible=both)
            longest = max(longest, cut.end - cut.start)
        else:
            result.append(cut)
            longest = cut.end - cut.start
    return tuple(result)


def redacted(text: str, redactions: Iterable[Redaction]) -> str:
    """The text with every cut replaced; the cuts are ascending and disjoint."""
    pieces: list[str] = []
    kept_until = 0
    for cut in redactions:
        pieces += (text[kept_until : cut.start], cut.text)
        kept_until = cut.end
    return "".join((*pieces, text[kept_until:]))
