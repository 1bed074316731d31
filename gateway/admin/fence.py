"""A fence around what workers move: their word counts only while they hold the lease of what they move traffic for.

Weights alone do not tell. A worker that slept in the middle of a move may find the very weights that it expects,
there and back again, while another has long ended the rollout: so the lease is looked at in the transaction that
changes the weights (Kleppmann, How to do distributed locking, 2016).
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict
from gateway.ledger.rollout_tables import RolloutRow
from gateway.ledger.tables import RetrainingRow

LOST = "lease_lost"


@dataclass(frozen=True, slots=True)
class Fence:
    """A worker, and the rollout or retraining whose lease it holds."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Literal["rollout", "retraining"]
    id: str
    worker: str


async def refuse_if_lost(connection: AsyncConnection, fence: Fence | None) -> None:
    """Raise Conflict when what a worker moves traffic for is over, or another worker's; an operator has no fence."""
    if fence is None:
        return
    row: type[RolloutRow] | type[RetrainingRow] = RolloutRow if fence.kind == "rollout" else RetrainingRow
    mine = select(row.id).where(row.id == fence.id, row.running == 1, row.owner == fence.worker)
    if (await connection.execute(mine)).first() is None:
        told = f"{fence.kind} {fence.id[:80]} is over, or another worker's"
        raise Conflict(told, param="fence", code=LOST)
