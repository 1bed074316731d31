"""How far rewards lie apart within a conversation, from the whole ledger by one question to its database."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.pair import Group
from gateway.ledger.tables import CandidateRow, ExchangeRow

DIGITS = 9  # databases add in their own order; beyond so many digits that would show


@dataclass(frozen=True, slots=True)
class Spread:
    """Squares of deviations within conversations, and their degrees of freedom."""

    squares: float = 0.0
    freedom: int = 0

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(self.squares + other.squares, self.freedom + other.freedom)

    @property
    def sd(self) -> float | None:
        """The pooled standard deviation; None where nothing varies."""
        if not self.freedom or self.squares <= 0:
            return None
        return float(f"{(self.squares / self.freedom) ** 0.5:.{DIGITS}g}")


async def spread_in(connection: AsyncConnection, told: ColumnElement[bool]) -> Spread:
    """Of all rewards of the exchanges of which something may be learnt, given in traffic or later."""
    reward = func.coalesce(CandidateRow.reward, CandidateRow.late_reward)
    counted, summed = func.count(reward), func.sum(reward)
    each = (
        select(counted.label("n"), (func.sum(reward * reward) - summed * summed / counted).label("squares"))
        .join(ExchangeRow, ExchangeRow.id == CandidateRow.exchange_id)
        .where(told, reward.is_not(None))
        .group_by(CandidateRow.exchange_id)
        .having(counted >= 2)
        .subquery()
    )
    query = select(func.coalesce(func.sum(each.c.squares), 0.0), func.coalesce(func.sum(each.c.n - 1), 0))
    squares, freedom = (await connection.execute(query)).one()
    return Spread(max(0.0, float(squares)), int(freedom))


def spread_of(groups: Iterable[Group]) -> Spread:
    """Of groups that were drawn after the fact."""
    found = Spread()
    for group in groups:
        rewards = [each.reward for each in group.samples if each.reward is not None]
        if len(rewards) >= 2:
            mean = fmean(rewards)
            found += Spread(sum((reward - mean) ** 2 for reward in rewards), len(rewards) - 1)
    return found
