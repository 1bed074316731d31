"""The pattern guard: RE2 over the text and its views, in time linear in the text whatever it is fed."""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import re2

from guards.detectors.checks import CHECKS
from guards.detectors.lists import Pattern, PatternConfig
from guards.expression import compiled
from guards.kinds import Reach
from guards.text.view import View
from guards.verdict import Context, Segment, Span, Verdict, Where
from guards.work import Work

NEAR_BYTES = 60
BEFORE_BYTES = 24
SEAM_CHARS = 400  # on each side of a seam
SEAMS = ("\n", "")
GAP = re.compile(rb"[ .-]+")


class Patterns:
    """The kind `patterns`."""

    config = PatternConfig

    def hazards(self, config: PatternConfig, where: Where) -> frozenset[str]:
        """The hazards of its patterns, the same on both sides."""
        return frozenset(pattern.hazard for pattern in config.chosen().values())

    def located(self, config: PatternConfig) -> frozenset[str]:
        """All: every match has its place."""
        return self.hazards(config, "prompt")

    def reach(self, config: PatternConfig, hazards: frozenset[str]) -> Reach:
        """The most that any pattern of these hazards needs."""
        needs = [(name, one.needed) for name, one in config.chosen().items() if one.hazard in hazards]
        name, most = max(needs, key=lambda need: float("inf") if need[1] is None else need[1])
        return Reach(most, f"pattern {name!r}")

    def revision(self, config: PatternConfig) -> str:
        """A hash of every pattern in force, wherever it was written."""
        content = sorted(f"{name}={one.model_dump_json()}" for name, one in config.chosen().items())
        return hashlib.sha256("\n".join(content).encode()).hexdigest()

    def build(self, name: str, config: PatternConfig) -> "PatternGuard":
        """The guard, its expressions compiled."""
        return PatternGuard(name, config.chosen())


@dataclass(frozen=True, slots=True)
class Search:
    """A pattern ready to run."""

    name: str
    pattern: Pattern
    regex: Any
    near: Any
    unless: Any

    def reads(self, view: View) -> bool:
        """Whether the pattern is meant for this view."""
        if self.pattern.views == "all":
            return True
        return view.path == "raw" or (self.pattern.views == "visible" and view.path == "raw>visible")

    def matches(self, page: "Page", work: Work) -> Iterator[tuple[int, int]]:
        """Start and end, in characters, of everything that is really one."""
        if self.near and not self.near.search(page.data):
            return
        group = self.regex.groupindex.get("it", 0)
        position = 0
        while match := self.regex.search(page.data, position):
            work.go_on()
            start, end = match.span(group)
            true_end = self.true_end(page.data, start, end)
            if true_end is None:
                position = start + 1
                continue
            yield page.chars(start), page.chars(true_end)
            position = max(true_end, match.start() + 1)

    def true_end(self, data: bytes, start: int, end: int) -> int | None:
        """Where the match ends once its check has passed; groups that follow by chance are left off."""
        if self.near and not self.near.search(data[max(0, start - NEAR_BYTES) : end + NEAR_BYTES]):
            return None
        if self.unless and self.unless.search(data[max(0, start - BEFORE_BYTES) : start]):
            return None
        if self.pattern.check is None:
            return end
        valid = CHECKS[self.pattern.check]
        ends = [end, *(start + gap.start() for gap in reversed(list(GAP.finditer(data[start:end]))))]
        return next((one for one in ends if valid(data[start:one].decode("utf-8", "replace"))), None)


class Page:
    """A view's text as RE2 reads it, and the way from bytes back to characters; asked in ascending order."""

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        self.ascii = len(self.data) == len(text)
        self.known = (0, 0)

    def chars(self, offset: int) -> int:
        """How many characters stand before a byte."""
        if self.ascii:
            return offset
        byte, char = self.known if self.known[0] <= offset else (0, 0)
        self.known = (offset, char + len(self.data[byte:offset].decode("utf-8", "replace")))
        return self.known[1]


class PatternGuard:
    """Finds its patterns in a segment; the probability of a hazard grows with independent patterns of it."""

    def __init__(self, name: str, patterns: dict[str, Pattern]) -> None:
        self.name = name
        self.searches = [
            Search(label, one, compiled(one.expression), context_of(one.near), context_of(one.unless))
            for label, one in patterns.items()
        ]
        self.probabilities = {label: one.probability for label, one in patterns.items()}
        self.sieve = sieve_of(one.pattern.expression for one in self.searches)

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment; the conversation does not matter to a pattern."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own, and the ends of those that may be read together with it."""
        return (segment.text, *seams(segment)) if segment.earlier else (segment.text,)

    def weighs(self, segment: Segment, context: Context) -> int:
        """The segment's length, and that of its seams."""
        return len(segment.text) + sum(map(len, seams(segment)))

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """The verdict, computed here and now."""
        return self.judge(segment.text, context.work, seams(segment))

    def judge(self, text: str, work: Work | None = None, before: Sequence[str] = ()) -> Verdict:
        """What is found in the text and its views, or across a seam with what stands before; located in the text."""
        started, work = time.perf_counter(), work or Work()
        found: dict[tuple[int, int, str], Span] = {}
        for span in (*self.within(text, work), *self.across(text, before, work)):
            found.setdefault((span.start, span.end, span.label), span)
        return Verdict(
            self.name, self.scores(found.values()), tuple(found.values()), time.perf_counter() - started
        )

    def within(self, text: str, work: Work) -> Iterator[Span]:
        """Every match in the text and its views."""
        for view in work.views(text):
            if any(search.reads(view) for search in self.searches):
                yield from self.spans(view, work)

    def across(self, text: str, before: Sequence[str], work: Work) -> Iterator[Span]:
        """The ends of matches that begin in what stands before the text.

        What is found there without the text is no match that the text completes: an address is whole before the
        first word of the next message, which only looks like more of it.
        """
        for each in before:
            complete = {(span.start, span.label) for span in self.within(each, work)}
            for span in self.within(each + text[:SEAM_CHARS], work):
                begins_before = span.start < len(each.rstrip()) and (span.start, span.label) not in complete
                if begins_before and span.end > len(each):
                    yield replace(span, start=0, end=span.end - len(each))

    def spans(self, view: View, work: Work) -> Iterator[Span]:
        """Every match in one view."""
        page = Page(view.text)
        for index in sorted(self.sieve.Match(page.data) or ()):
            search = self.searches[index]
            if search.reads(view):
                for start, end in search.matches(page, work):
                    yield Span(*view.locate(start, end), search.pattern.hazard, search.name, view.path)

    def scores(self, spans: Iterable[Span]) -> dict[str, float]:
        """Per hazard, the probability that not every pattern that matched is mistaken."""
        doubts: dict[str, float] = {}
        for label, hazard in dict.fromkeys((span.label, span.hazard) for span in spans):
            doubts[hazard] = doubts.get(hazard, 1.0) * (1 - self.probabilities[label])
        return {hazard: 1 - doubt for hazard, doubt in doubts.items()}


def context_of(expression: str) -> Any:
    """What must, or must not, stand beside a match; None where that does not matter."""
    return compiled(expression) if expression else None


def seams(segment: Segment) -> tuple[str, ...]:
    """The ends of the texts before a segment, as an engine may put them: with a line's end between, or nothing."""
    if not segment.earlier:
        return ()
    return tuple((sign.join(segment.earlier)[-SEAM_CHARS:]) + sign for sign in SEAMS)


def sieve_of(expressions: Iterable[str]) -> Any:
    """All expressions as one automaton; its memory is ample, since running out would look like no match."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 256 << 20
    sieve = re2.Set.SearchSet(options)
    for expression in expressions:
        sieve.Add(expression)
    sieve.Compile()
    return sieve
