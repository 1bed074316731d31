"""Swaps of full weights in the ledger: begun by one gateway, followed by all, taken over when its owner is gone."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.fence import Fence, refuse_if_lost
from gateway.admin.rollouts import Weights, checked, refuse_if_moved, weights_in
from gateway.admin.trail import Change
from gateway.admin.versions import staged_in, versions_in
from gateway.errors import Conflict
from gateway.ledger.database import Database
from gateway.ledger.swap_tables import WeightSwapRow

LEASE_SECONDS = 30.0
State = Literal["running", "done", "undone"]


class TakenOver(Conflict):
    """The swap is another gateway's now, and so is what becomes of it."""


@dataclass(frozen=True, slots=True)
class Swap:
    """One swap: where an alias is to be led, from where, and which engine is being worked on."""

    id: str
    alias: str  # empty where engines only get back what they should have
    began: Weights
    wanted: Weights
    change: dict[str, Any]
    actor: str
    allow_gap: bool
    out: str | None
    owner: str
    lease_until: datetime

    @property
    def abandoned(self) -> bool:
        """Whether its owner has not been heard of for a lease's time."""
        return self.lease_until < datetime.now(UTC)

    @property
    def told(self) -> Change:
        """What the trail says of it once it is done: the way from the beginning to the end, at once."""
        before = dict(self.began)
        return Change(
            self.change["kind"], self.alias, before, {}, self.change["cause"], self.change["evidence"]
        )


@dataclass(frozen=True, slots=True)
class Book:
    """The swaps in a database, for one owner."""

    database: Database
    owner: str = field(default_factory=lambda: secrets.token_hex(8))

    async def begin(
        self,
        change: Change,
        wanted: Weights,
        actor: str,
        expected: Weights | None,
        *,
        allow_gap: bool,
        fence: Fence | None = None,
    ) -> Swap:
        """Write a new swap down.

        Raises Conflict while another is under way, when others moved the alias, or a fence's lease is lost.
        """
        async with self.database.write() as connection:
            await refuse_if_lost(connection, fence)
            await refuse_running(connection)
            weights = await weights_in(connection)
            began = weights.get(change.subject, {})
            if change.subject:
                wanted = checked(change.subject, wanted, staged_in(await versions_in(connection)))
                refuse_if_moved(change.subject, began, expected)
            told = {"kind": change.kind, "cause": change.cause, "evidence": change.evidence}
            swap = Swap(
                secrets.token_hex(8),
                change.subject,
                began,
                dict(wanted),
                told,
                actor,
                allow_gap,
                None,
                self.owner,
                lease(),
            )
            values = {name: getattr(swap, name) for name in Swap.__slots__}
            values |= {"state": "running", "running": 1, "reason": "", "created_at": datetime.now(UTC)}
            await connection.execute(insert(WeightSwapRow).values(**values, ended_at=None))
        return swap

    async def running(self) -> Swap | None:
        """The swap that is under way, whoever does it."""
        async with self.database.read() as connection:
            return await running_in(connection)

    async def take_over(self, swap: Swap) -> bool:
        """Become the owner of a swap whose own is gone; False when somebody else was faster."""
        taken = (WeightSwapRow.owner == swap.owner, WeightSwapRow.lease_until == swap.lease_until)
        return await self._change(swap, {"owner": self.owner, "lease_until": lease()}, *taken)

    async def renew(self, swap: Swap) -> bool:
        """Stay the owner for another lease; False when it is not ours any more."""
        return await self._change(swap, {"lease_until": lease()}, WeightSwapRow.owner == self.owner)

    async def work_on(self, swap: Swap, replica: str | None) -> None:
        """Say which engine is out; raises Conflict when the swap is not ours any more."""
        changed = {"out": replica, "lease_until": lease()}
        if not await self._change(swap, changed, WeightSwapRow.owner == self.owner):
            raise TakenOver("another gateway has taken this swap over", code="taken_over")

    async def end(self, swap: Swap, state: State, reason: str = "") -> None:
        """It is over."""
        ended = {"state": state, "reason": reason[:1000], "running": None, "out": None}
        await self._change(swap, ended | {"ended_at": datetime.now(UTC)}, WeightSwapRow.owner == self.owner)

    async def _change(self, swap: Swap, values: dict[str, Any], *where: Any) -> bool:
        this = (WeightSwapRow.id == swap.id, WeightSwapRow.running == 1, *where)
        async with self.database.write() as connection:
            return bool(
                (await connection.execute(update(WeightSwapRow).where(*this).values(**values))).rowcount
            )


def lease() -> datetime:
    """Until when an owner need not be heard of."""
    return datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)


async def running_in(connection: AsyncConnection) -> Swap | None:
    """The swap that is under way, within a transaction."""
    columns = [getattr(WeightSwapRow, name) for name in Swap.__slots__]
    found = (await connection.execute(select(*columns).where(WeightSwapRow.running == 1))).mappings().first()
    return None if found is None else Swap(**found)


async def refuse_running(connection: AsyncConnection) -> None:
    """Raises Conflict while engines are being given other weights."""
    if await running_in(connection) is not None:
        raise Conflict("engines are being given other weights; ask again when that is over", code="swapping")
