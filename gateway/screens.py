"""The guard policies in force: one for all, and others for keys that name theirs; only such as could be built."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gateway.errors import Unavailable
from guards.acceptance import accept
from guards.policy.load import GuardPolicy, load_policy
from guards.screen import NOTHING, Screen
from guards.verdict import Context, Screening, Segment

guard_log = logging.getLogger("trimtab.guards")


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


async def open_screen(path: Path | None) -> Screen:
    """The screen of a policy file, or of one that comes with Trimtab; raises PolicyRefused."""
    return await accepted(await asyncio.to_thread(load_policy, path))


async def accepted(policy: GuardPolicy) -> Screen:
    """The screen of a policy that keeps what its own cases promise; raises PolicyRefused.

    A case that could not be decided, since a guard's service is away, is no reason to refuse: it is logged.
    """
    screen = await asyncio.to_thread(Screen, policy)
    for one in await accept(screen):
        guards = ", ".join(failure.guard for failure in one.screening.failures)
        told = {"policy": policy.name, "case": one.number, "guards": guards}
        guard_log.warning("a case of the policy could not be decided", extra={"fields": told})
    return screen
