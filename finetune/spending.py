"""What the ledger knows that a schedule goes by: runs, hours, and how rewards lie."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.noticed import last_in_vain
from finetune.schedule import Spent
from finetune.trail import LEFT
from gateway.ledger.database import Database
from gateway.ledger.tables import CandidateRow, ExchangeRow, RetrainingRow, RouteRow, TransitionRow

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
    row = RetrainingRow
    mine = row.alias == alias
    async with database.read() as connection:
        day = select(func.count()).where(mine, row.created_at > now - timedelta(days=1)).select_from(row)
        runs = int((await connection.execute(day)).scalar_one())
        last = await connection.scalar(
            select(row.created_at).where(mine).order_by(row.created_at.desc()).limit(1)
        )
        spans = await trained_within(connection, alias, now - timedelta(days=7), now)
        in_vain = await last_in_vain(connection, alias)
    return Spent(runs, sum(span.total_seconds() for span in spans) / 3600, last, in_vain)


async def trained_within(
    connection: AsyncConnection, alias: str, since: datetime, now: datetime
) -> list[timedelta]:
    """How long each try at a training took within a time: by the trail, for a step's row has the last try alone."""
    run, row = RetrainingRow, TransitionRow
    lately = (run.alias == alias, or_(run.ended_at.is_(None), run.ended_at > since))
    training = (row.kind == "retraining", row.after["step"].as_string() == "train")
    columns = (
        row.subject,
        row.after["state"].as_string(),
        row.evidence["seconds"].as_float(),
        row.created_at,
    )
    query = select(*columns).where(*training, row.subject.in_(select(run.id).where(*lately))).order_by(row.id)
    begun: dict[str, datetime] = {}
    spans = []
    for subject, state, seconds, at in await connection.execute(query):
        if (began := begun.pop(subject, None)) is not None and state != "started":
            spans.append((began, began + timedelta(seconds=seconds) if state == LEFT else at))
        if (
            state == "started"
        ):  # a start right after a start, in older ledgers: nobody knows when the first ended
            begun[subject] = at
    leases = await connection.execute(select(run.id, run.lease_until).where(run.id.in_(begun)))
    spans += [(begun[each], min(lease or now, now)) for each, lease in leases]
    return [ended - max(began, since) for began, ended in spans if ended > max(began, since)]


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
