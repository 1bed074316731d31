"""A guard that looks for plain words, so that a test can say what is found and how guards fail."""

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from guards.kinds import Kind, Reach
from guards.policy.load import read_policy
from guards.screen import Screen
from guards.verdict import Context, GuardFailed, Segment, Span, Verdict, Where

REFUSED, REDACTED, FLAGGED = "canary", "s3cret", "rude"
HAZARDS = {REFUSED: "hte", REDACTED: "G.pii", FLAGGED: "dfm"}
# Text that makes the guard itself fail.
FAILS, CRASHES, HANGS, RAVES = "guard-fails", "guard-crashes", "guard-hangs", "guard-raves"


class NoConfig(BaseModel):
    """The words are fixed."""


class WordGuard:
    """Finds the three words, wherever they stand, and remembers what it was shown."""

    name = "words"

    def __init__(self) -> None:
        self.shown: list[Segment] = []

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """One verdict; or a failure, when the text asks for it."""
        self.shown.append(segment)
        if FAILS in segment.text:
            raise GuardFailed("told to")
        if CRASHES in segment.text:
            raise ZeroDivisionError
        if HANGS in segment.text:
            await asyncio.sleep(3600)
        found = {hazard: 1.0 for word, hazard in HAZARDS.items() if word in segment.text}
        if RAVES in segment.text:
            found["hte"] = math.nan
        spans = (place_of(REDACTED, segment.text), place_of(REFUSED, segment.text))
        return Verdict(self.name, found, tuple(span for span in spans if span is not None))


def place_of(word: str, text: str) -> Span | None:
    """Where a word stands first."""
    start = text.find(word)
    return Span(start, start + len(word), HAZARDS[word], "secret") if start >= 0 else None


class Words:
    """The kind of guard that looks for words."""

    config = NoConfig

    def __init__(self, guard: WordGuard | None = None) -> None:
        self.guard = guard or WordGuard()

    def hazards(self, config: NoConfig, where: Where) -> frozenset[str]:
        return frozenset(HAZARDS.values())

    def located(self, config: NoConfig) -> frozenset[str]:
        return frozenset({"G.pii"})

    def reach(self, config: NoConfig, hazards: frozenset[str]) -> Reach:
        return Reach(max(map(len, HAZARDS)), "a word")

    def revision(self, config: NoConfig) -> str:
        return "1"

    def build(self, name: str, config: NoConfig) -> WordGuard:
        return self.guard


POLICY = """
name: words
version: 1
refusal: {{as: {shape}, text: "I'd rather not."}}
stream: {{hold_back_chars: {hold_back}, overlap_chars: 64}}
deadline_ms: 5000
guards:
  - id: words
    kind: words
    where: [prompt, reply]
    on_error: {on_error}
    timeout_ms: {patience_ms}
    hazards:
      hte: {{action: refuse}}
      G.pii: {{action: redact}}
      dfm: {{action: flag}}
"""


def word_screen(
    shape: str = "refuse",
    on_error: str = "closed",
    hold_back: int = 16,
    patience_ms: int = 300,
    guard: WordGuard | None = None,
    bounds: str = "{}",
) -> Screen:
    """A screen whose only guard looks for words."""
    text = POLICY.format(shape=shape, on_error=on_error, hold_back=hold_back, patience_ms=patience_ms)
    text += f"bounds: {bounds}\n"
    kinds: Mapping[str, Kind] = {"words": Words(guard)}
    return Screen(read_policy(text, "words.yaml", Path(), kinds), kinds)
