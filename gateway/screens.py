"""The guard policy in force: replaced as a whole, and only by one that could be built."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from guards.policy.load import GuardPolicy, load_policy
from guards.screen import Screen
from guards.verdict import Context, Screening, Segment


class Screener(Protocol):
    """A policy's guards, ready to be asked."""

    @property
    def policy(self) -> GuardPolicy:
        """The policy that they enforce."""
        ...

    async def prompt(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What the policy makes of a prompt's segments."""
        ...

    async def reply(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What the policy makes of one candidate's segments."""
        ...


class Screens:
    """Holds the screener of the policy in force; each request reads it once."""

    def __init__(self, screener: Screener) -> None:
        self.current = screener
        self.configured = screener.policy  # what this process was started with

    def publish(self, screener: Screener) -> None:
        """Put another policy in force for every request that has not begun."""
        self.current = screener


def open_screen(path: Path | None) -> Screen:
    """The screen of a policy file, or of the bundled policy; raises PolicyRefused."""
    return Screen(load_policy(path))
