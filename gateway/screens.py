"""The guard policies in force: one for all, others for keys and aliases that have their own, and one that looks on."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.errors import Unavailable
from guards.acceptance import accept
from guards.language import model
from guards.policy.load import NO_SERVICES, GuardPolicy, load_policy
from guards.screen import NOTHING, Screen
from guards.services import Service
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

    async def reading_on(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        """What those guards make of a reply's segments that read them together with the texts before each."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """The policies beside the one in force: by what keys call them, by alias, and the one that only looks on."""

    screeners: Mapping[str, Screener] = field(default_factory=dict)
    of_aliases: Mapping[str, str] = field(default_factory=dict)  # by what their policies are called
    shadow: Screener | None = None


class Screens:
    """Holds the screeners of the policies in force; each request reads its own once."""

    def __init__(self, screener: Screener, services: Mapping[str, Service] = NO_SERVICES) -> None:
        self.services = services  # that a policy may name
        self.named = Named()
        self.unusable: dict[
            str, float
        ] = {}  # digests of policies that could not be had, and until when nobody tries
        self.start(screener)

    def start(self, screener: Screener) -> None:
        """Begin with what this process was configured with."""
        self.current = screener
        self.configured = screener

    def publish(self, screener: Screener) -> None:
        """Put another policy in force for every request that has not begun."""
        self.current = screener

    def publish_named(self, named: Named) -> None:
        """Put the policies of keys and aliases in force, and the shadow beside them, all at once."""
        self.named = named

    def screeners(self) -> list[Screener]:
        """All that are ready."""
        return [self.current, self.configured, *self.named.screeners.values()]

    def of(self, policy: str | None, alias: object = None) -> Screener:
        """The screener for a key that names this policy, else for the alias that is asked for, else for all.

        Raises Unavailable rather than to serve a request with another policy than its own.
        """
        if policy is None and isinstance(alias, str):
            policy = self.named.of_aliases.get(alias)
        if policy is None:
            return self.current
        screener = self.named.screeners.get(policy)
        if screener is None:
            raise Unavailable(
                "the guard policy of this key or model cannot be had here", code="policy_unavailable"
            )
        return screener


async def open_screen(path: Path | None, services: Mapping[str, Service] = NO_SERVICES) -> Screen:
    """The screen of a policy file, or of one that comes with Trimtab, which may name these; raises PolicyRefused."""
    return await accepted(await asyncio.to_thread(load_policy, path, services=services))


async def accepted(policy: GuardPolicy) -> Screen:
    """The screen of a policy that keeps what its own cases promise; raises PolicyRefused.

    A case that could not be decided, since a guard's service is away, is no reason to refuse: it is logged.
    """
    screen = await asyncio.to_thread(ready, policy)
    for one in await accept(screen):
        guards = ", ".join(failure.guard for failure in one.screening.failures)
        told = {"policy": policy.name, "case": one.number, "guards": guards}
        guard_log.warning("a case of the policy could not be decided", extra={"fields": told})
    return screen


def ready(policy: GuardPolicy) -> Screen:
    """The screen of a policy, and whatever else it needs at hand before the first request comes."""
    if policy.refusal.texts:
        model()
    return Screen(policy)
