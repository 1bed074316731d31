"""The guard policies in force: one for all, and others for keys that name theirs; only such as could be built."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gateway.errors import Unavailable
from guards.policy.load import GuardPolicy, load_policy
from guards.screen import NOTHING, Screen
from guards.verdict import Context, Screening, Segment


class Screener(Protocol):
    """A policy's guards, ready to be asked."""

    @property
    def policy(self) -> GuardPolicy:
        """The policy that they enforce."""
        ...

    async def prompt(
        self,
        segments: Sequence[Segment],
        context: Context | None = None,
        unread: Mapping[str, int] = NOTHING,
    ) -> Screening:
        """What the policy makes of a prompt's segments, and of the parts beside them that no guard reads."""
        ...

    async def reply(
        self,
        segments: Sequence[Segment],
        context: Context | None = None,
        unread: Mapping[str, int] = NOTHING,
    ) -> Screening:
        """The same for one candidate."""
        ...


class Screens:
    """Holds the screeners of the policies in force; each request reads its own once."""

    def __init__(self, screener: Screener) -> None:
        self.current = screener
        self.configured = screener.policy  # what this process was started with
        self.of_keys: Mapping[str, Screener] = {}  # by what keys call their policy

    def publish(self, screener: Screener) -> None:
        """Put another policy in force for every request that has not begun."""
        self.current = screener

    def publish_for_keys(self, screeners: Mapping[str, Screener]) -> None:
        """Put the policies of keys in force, all at once."""
        self.of_keys = screeners

    def of(self, policy: str | None) -> Screener:
        """The screener for a key that names this policy; raises Unavailable rather than to serve it with another."""
        if policy is None:
            return self.current
        screener = self.of_keys.get(policy)
        if screener is None:
            raise Unavailable("this key's guard policy cannot be had here", code="policy_unavailable")
        return screener


def open_screen(path: Path | None) -> Screen:
    """The screen of a policy file, or of the bundled policy; raises PolicyRefused."""
    return Screen(load_policy(path))
