"""Every gateway follows a swap that one of them performs: nobody leads requests to the engine that is out.

An engine is brought back before routes change, and taken out after: so a swap leads requests away and to it.
"""

from collections.abc import Iterable

from gateway.admin.versions import Version
from gateway.admin.weights.book import Swap
from gateway.tools import Tools


async def bring_back(tools: Tools, staged: Iterable[Version], running: Swap | None) -> None:
    """Say which full weights there are, and look at an engine that is not worked on any more."""
    weights = tools.engine.weights
    paths = {each.model: each.directory for each in staged if each.full and each.directory}
    weights.adopt(paths, tools.settings.base_model)
    for replica in weights.managed:
        if replica.swapping and (running is None or replica.name != running.out):
            replica.swapping = False
            await replica.look_at_weights()


def take_out(tools: Tools, running: Swap | None) -> None:
    """Lead no requests to the engine that is worked on."""
    for replica in tools.engine.weights.managed:
        if running is not None and replica.name == running.out and not replica.swapping:
            replica.take_out()
