"""Every gateway follows the ledger's policies: the one in force, those of keys and aliases, and the shadow.

A key's policy is a name, which means the newest policy of that name, or a content hash. Where a policy cannot be had,
whoever should be judged by it is refused; what was ready stays so while the database is away.
"""

import asyncio
import time

from gateway.policies.store import OF_ALIAS, SHADOW, Kept, PolicyStore
from gateway.screens import Named, Screener, accepted
from gateway.tools import Tools
from guards.policy.load import read_replacement
from guards.screen import Screen
from guards.verdict import PolicyRefused

AGAIN_SECONDS = 15.0  # until a policy that could not be had is tried again


async def screen_of(document: str, tools: Tools) -> Screen:
    """The screen of a policy's text, which may name files beside the configured policy; raises PolicyRefused."""
    configured, services = tools.settings.guards.policy, tools.screens.services
    policy = await asyncio.to_thread(read_replacement, document, "policy", configured, services)
    return await accepted(policy)


async def follow_policy(tools: Tools, store: PolicyStore) -> None:
    """Put the ledger's replacement for the configured policy in force, or the configured one where there is none."""
    kept = await store.active_beside(tools.screens.configured.policy.hash)
    if kept is None:
        if tools.screens.current is not tools.screens.configured:
            tools.screens.publish(tools.screens.configured)
        return
    if kept.digest == tools.screens.current.policy.hash:
        return
    try:
        tools.screens.publish(await same_again(kept, tools))
    except PolicyRefused as error:
        told = "the policy that was put in force through the admin API no longer passes; any change of the"
        raise PolicyRefused(f"{told} configured policy replaces it: {error}") from error


async def same_again(kept: Kept, tools: Tools) -> Screener:
    """The screen of a kept policy, exactly as it was; raises PolicyRefused, and tries again only after a while."""
    unusable = tools.screens.unusable
    if time.monotonic() < unusable.get(kept.digest, 0.0):
        raise PolicyRefused(f"policy {kept.digest[:12]} could not be had a moment ago")
    try:
        screen = await screen_of(kept.text, tools)
        if screen.policy.hash != kept.digest:
            raise PolicyRefused("lists or weights that it uses have changed since")
    except PolicyRefused:
        unusable[kept.digest] = time.monotonic() + AGAIN_SECONDS
        raise
    return screen


async def follow_named(tools: Tools, store: PolicyStore) -> list[str]:
    """Publish the screens of all policies that keys, aliases and the shadow name; returns those that lack one."""
    places = await store.places()
    wanted = {**await store.named_by_keys(), **{digest: digest for digest in places.values()}}
    ready = {screener.policy.hash: screener for screener in tools.screens.screeners()}
    found: dict[str, Screener] = {}
    for name, digest in wanted.items():
        screener = ready.get(digest or "") or await built(digest, tools, store)
        if screener is not None:
            found[name] = ready[screener.policy.hash] = screener
    aliases = {
        place.removeprefix(OF_ALIAS): digest for place, digest in places.items() if place.startswith(OF_ALIAS)
    }
    tools.screens.publish_named(Named(found, aliases, found.get(places.get(SHADOW, ""))))
    return sorted(wanted.keys() - found.keys())


async def built(digest: str | None, tools: Tools, store: PolicyStore) -> Screener | None:
    """The screen of a policy of the ledger; None where it no longer passes, or is not what its digest says."""
    kept: Kept | None = None if digest is None else await store.kept(digest)
    try:
        return None if kept is None else await same_again(kept, tools)
    except PolicyRefused:
        return None
