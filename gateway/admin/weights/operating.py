"""The operator's way to full weights: may they be staged, does a rollout move any, and the swap itself."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.fence import Fence, refuse_if_lost
from gateway.admin.following import follow
from gateway.admin.rollouts import Weights
from gateway.admin.trail import Change
from gateway.admin.versions import Versions
from gateway.admin.weights.book import Book, refuse_running
from gateway.admin.weights.fitting import check_fits
from gateway.admin.weights.swapping import Swapper
from gateway.engines.contract import EngineFailed
from gateway.engines.reloading import started_with
from gateway.errors import Conflict
from gateway.ledger.database import Database
from gateway.tools import Tools

UNFINISHED: set["asyncio.Task[list[str]]"] = set()  # the loop itself holds tasks only weakly


@dataclass(frozen=True, slots=True)
class How:
    """What an operator says of a rollout beside its weights."""

    expected: Weights | None = None  # refused when others are in force
    allow_gap: bool = False  # whether nobody may answer while the only engine gets other weights
    fence: Fence | None = None  # refused when this worker has lost its lease

    async def refuse(self, connection: AsyncConnection) -> None:
        """Raises Conflict where the fence's lease is lost, or a swap began since it was last looked for.

        Weights that are put in force in the middle of a swap would be its undoing: it leads the alias itself.
        """
        await refuse_if_lost(connection, self.fence)
        await refuse_running(connection)


async def checked_against_base(tools: Tools, path: str) -> dict[str, Any]:
    """What was looked at of a model's directory; raises Conflict or BadRequest when it does not fit, EngineFailed."""
    managed = tools.engine.weights.managed
    if not managed:
        raise Conflict("no engine here is managed: full weights have nowhere to go", code="not_managed")
    failure: EngineFailed | None = None
    for replica in managed:
        try:
            base = Path(await started_with(replica.engine, tools.settings.base_model))
        except EngineFailed as error:
            failure = error
            continue
        if not base.is_absolute() or not base.is_dir():
            told = f"the base model's files ({str(base)[:200]}) cannot be read here, to compare them"
            raise Conflict(told, code="base_unknown")
        return await asyncio.to_thread(check_fits, Path(path), base)
    assert failure is not None
    raise failure


async def swaps_weights(tools: Tools, database: Database, alias: str, weights: Weights) -> bool:
    """Whether engines must get other weights for a rollout; raises Conflict while they get some."""
    versions = {each.id: each for each in await Versions(database).all()}
    if not tools.engine.weights.managed:
        if any(versions[each].full for each in weights if each in versions):
            raise Conflict("no engine here is managed: full weights have nowhere to go", code="not_managed")
        return False
    if await Book(database).running() is not None:
        raise Conflict("engines are being given other weights; ask again when that is over", code="swapping")
    if any(each not in versions or versions[each].state != "staged" for each in weights):
        return False  # which is refused where weights are put in force
    return bool(await Swapper(tools, Book(database), follow).planned(alias, weights))


async def swap_weights(
    tools: Tools, database: Database, change: Change, weights: Weights, actor: str, how: How
) -> Weights:
    """Perform it, though whoever asked may leave; the weights before."""
    book = Book(database)
    told = (change, weights, actor, how.expected)
    swap = await book.begin(*told, allow_gap=how.allow_gap, fence=how.fence)
    task = asyncio.create_task(Swapper(tools, book, follow).run(swap), name="weights swap")
    UNFINISHED.add(task)
    task.add_done_callback(UNFINISHED.discard)
    await asyncio.shield(task)
    return swap.began
