"""What guards have in common that measure a text rather than search it: its length, its language, its format.

A stream shows them a text piece by piece, and much that is wrong with a beginning is right in the end. Where only the
whole can tell, the verdict on a piece says `waits`, and nothing more of that text leaves before its end.
"""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from guards.kinds import Reach
from guards.verdict import Context, Segment, Verdict

NOTHING: Mapping[str, float] = {}


class Gauge(Protocol):
    """One measurement of a text."""

    def whole(self, text: str) -> Mapping[str, float]:
        """The probability of each hazard, for a text that is complete."""
        ...

    def so_far(self, text: str) -> Mapping[str, float] | None:
        """The same for a piece of one that goes on; None where the rest must be seen before any of it leaves."""
        ...


class MeasuringGuard:
    """A guard around a gauge."""

    def __init__(self, name: str, gauge: Gauge) -> None:
        self.name = name
        self.gauge = gauge

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment; the conversation does not matter."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own, and whether it goes on."""
        return (segment.text,) if segment.whole else (segment.text, "…")

    def weighs(self, segment: Segment, context: Context) -> int:
        """The segment's length."""
        return len(segment.text)

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """The verdict, computed here and now."""
        started = time.perf_counter()
        scores = self.gauge.whole(segment.text) if segment.whole else self.gauge.so_far(segment.text)
        spent = time.perf_counter() - started
        return Verdict(self.name, scores or NOTHING, (), spent, waits=scores is None)


class Measuring:
    """What their kinds have in common: nothing to point at, and no need to see much at once."""

    def located(self, config: Any) -> frozenset[str]:
        """None: what it finds is no place in the text."""
        return frozenset()

    def reach(self, config: Any, hazards: frozenset[str]) -> Reach:
        """It judges whatever it is given."""
        return Reach()

    def revision(self, config: Any) -> str:
        """Nothing beside the document decides."""
        return ""
