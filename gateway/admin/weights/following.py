"""Every gateway follows a swap that one of them performs: nobody leads requests to the engine that is out."""

from collections.abc import Iterable

from gateway.admin.versions import Version
from gateway.admin.weights.book import running_in
from gateway.ledger.database import Database
from gateway.tools import Tools


async def follow_weights(tools: Tools, database: Database, staged: Iterable[Version]) -> None:
    """Say which full weights there are; take out the engine that is worked on, and look at one that is back."""
    pool = tools.engine
    paths = {each.model: each.directory for each in staged if each.full and each.directory}
    pool.weights.adopt(paths, tools.settings.base_model)
    if not pool.weights.managed:
        return
    async with database.read() as connection:
        running = await running_in(connection)
    out = None if running is None else running.out
    for replica in pool.weights.managed:
        if replica.name == out and not replica.swapping:
            replica.take_out()
        elif replica.name != out and replica.swapping:
            replica.swapping = False
            await replica.look_at_weights()
