"""The coverage receipt: what of an answer was screened, counted from the very texts that were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guards.verdict import Coverage, Screening, Segment


@dataclass(slots=True)
class Receipt:
    """Counts UTF-8 bytes: as the engine said them where screened, as the client got them where delivered."""

    coverage: Coverage = field(default_factory=Coverage)
    complete: bool = True  # whether every guard meant for it saw every byte of what was delivered
    unscanned: dict[str, int] = field(default_factory=dict)  # parts passed on that no guard reads, by kind

    def screened(self, segments: Sequence[Segment], screening: Screening) -> None:
        """Account for segments that are to be delivered, each seen for the first time."""
        for segment in segments:
            self.coverage.scanned(segment.part, size(segment.text))
        self.complete = self.complete and saw_all(segments, screening)

    def passed_unread(self, parts: Mapping[str, int]) -> None:
        """Account for parts that go on, to the engine or to the client, and that nobody has read."""
        for kind, count in parts.items():
            self.unscanned[kind] = self.unscanned.get(kind, 0) + count
            self.complete = False

    def delivered(self, text: str) -> None:
        """Account for text that goes out to the client."""
        self.coverage.delivered_bytes += size(text)

    def added(self, text: str) -> None:
        """Account for the policy's own words."""
        self.coverage.scanned("addition", size(text))
        self.delivered(text)

    def as_json(self) -> dict[str, Any]:
        """The receipt as it travels."""
        return {
            "screened_bytes": self.coverage.scanned_bytes,
            "delivered_bytes": self.coverage.delivered_bytes,
            "parts": self.coverage.parts,
            "unscanned": self.unscanned,
            "complete": self.complete,
        }


def saw_all(segments: Sequence[Segment], screening: Screening) -> bool:
    """Whether the screening's guards judged every byte of the segments."""
    return screening.scanned_bytes == sum(size(segment.text) for segment in segments)


def size(text: str) -> int:
    """UTF-8 bytes."""
    return len(text.encode(errors="surrogatepass"))
