"""What the ledger knows that a schedule goes by: runs, hours, and how rewards lie."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from finetune.schedule import Spent
from gateway.ledger.database import Database
from gateway.ledger.tables import CandidateRow, ExchangeRow, RetrainingRow, RetrainingStepRow, RouteRow

WINDOW = 500  # rewards on each side of a comparison


@dataclass(frozen=True, slots=True)
class Rewards:
    """Rewards of an alias's live version: when it was new, and lately."""

    version: str | None
    first: tuple[float, ...]
    latest: tuple[float, ...]

    @property
    def enough(self) -> bool:
        """Whether both windows are full and apart."""
        return len(self.first) == len(self.latest) == WINDOW


async def spent(database: Database, alias: str, now: datetime) -> Spent:
    """What an alias's retrainings have used of a budget."""
    row, step = RetrainingRow, RetrainingStepRow
    mine = row.alias == alias
    async with database.read() as connection:
        day = select(func.count()).where(mine, row.created_at > now - timedelta(days=1)).select_from(row)
        runs = int((await connection.execute(day)).scalar_one())
        last = await connection.scalar(
            select(row.created_at).where(mine).order_by(row.created_at.desc()).limit(1)
        )
        trained = (
            select(step.started_at, step.ended_at)
            .join(row, row.id == step.retraining_id)
            .where(mine, step.step == "train", step.started_at > now - timedelta(days=7))
        )
        spans = [(ended or now) - began for began, ended in await connection.execute(trained)]
    return Spent(runs, sum(span.total_seconds() for span in spans) / 3600, last)


async def rewards_of(database: Database, alias: str) -> Rewards:
    """The first and the latest rewards of the version that has most of an alias's traffic."""
    async with database.read() as connection:
        heaviest = select(RouteRow.version).where(RouteRow.alias == alias).order_by(RouteRow.weight.desc())
        version = await connection.scalar(heaviest.limit(1))
        query = (
            select(CandidateRow.reward)
            .join(ExchangeRow, ExchangeRow.id == CandidateRow.exchange_id)
            .where(
                ExchangeRow.version == version, ExchangeRow.alias == alias, CandidateRow.reward.is_not(None)
            )
        )
        first = await connection.scalars(query.order_by(ExchangeRow.seq, CandidateRow.position).limit(WINDOW))
        told = tuple(float(each) for each in first if each is not None)
        last = await connection.scalars(
            query.order_by(ExchangeRow.seq.desc(), CandidateRow.position).limit(2 * WINDOW)
        )
        lately = tuple(float(each) for each in last if each is not None)
    return Rewards(version, told, lately[:WINDOW] if len(lately) == 2 * WINDOW else ())
