"""What the ledger remembers of retrainings, for people and for whoever begins the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, TransitionRow


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One step of a run; `told` is its result, or why it failed, in one line."""

    step: str
    state: str
    seconds: float | None
    told: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunSeen:
    """One run and its steps in the order in which they began."""

    id: str
    state: str
    reasons: tuple[str, ...]
    owner: str
    alive: bool  # a worker holds it and shows signs of life
    created_at: datetime
    steps: tuple[StepSeen, ...]

    @property
    def stopped(self) -> bool:
        """Whether nobody works on it and it is not over: whoever runs next goes on with it."""
        return self.state == "running" and not self.alive

    def evidence_of(self, step: str) -> dict[str, Any]:
        """What a step that is done left; nothing of one that is not."""
        return next((each.evidence for each in self.steps if (each.step, each.state) == (step, "done")), {})

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the gate's conditions that do not hold; none of gates that knew none."""
        failed = [each for each in self.evidence_of("gate").get("conditions", []) if not each["passed"]]
        return tuple(dict.fromkeys(each["reason"] for each in failed if each.get("reason")))


async def history(database: Database, limit: int = 5) -> list[RunSeen]:
    """The latest runs, the latest first."""
    row = RetrainingRow
    columns = (row.id, row.state, row.reasons, row.owner, row.lease_until, row.running, row.created_at)
    query = select(*columns).order_by(row.created_at.desc(), row.id.desc()).limit(limit)
    async with database.read() as connection:
        found = list(await connection.execute(query))
        ids = [each.id for each in found]
        steps = [StepFound(*each) for each in await connection.execute(steps_of(ids))]
        causes = {(each.subject, each.evidence_step): each.cause for each in await told_of(connection, ids)}
    now = datetime.now(UTC)
    return [
        RunSeen(
            id=each.id,
            state=each.state,
            reasons=tuple(each.reasons),
            owner=each.owner or "",
            alive=bool(each.running and each.lease_until and each.lease_until > now),
            created_at=each.created_at,
            steps=seen([step for step in steps if step.run == each.id], causes),
        )
        for each in found
    ]


@dataclass(frozen=True, slots=True)
class StepFound:
    """A step's row."""

    run: str
    step: str
    state: str
    evidence: dict[str, Any]
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cause:
    """What a transition said of a step."""

    subject: str
    evidence_step: str
    cause: str


def steps_of(ids: Sequence[str]) -> Any:
    """The steps of some runs."""
    row = RetrainingStepRow
    columns = (row.retraining_id, row.step, row.state, row.evidence, row.started_at, row.ended_at)
    return select(*columns).where(row.retraining_id.in_(ids)).order_by(row.started_at)


async def told_of(connection: Any, ids: Sequence[str]) -> list[Cause]:
    """The last line told of each step of some runs."""
    row = TransitionRow
    query = select(row.subject, row.after, row.cause).where(row.kind == "retraining", row.subject.in_(ids))
    found = await connection.execute(query.order_by(row.id))
    return [Cause(subject, str(after.get("step", "")), cause) for subject, after, cause in found]


def seen(steps: Sequence[StepFound], causes: dict[tuple[str, str], str]) -> tuple[StepSeen, ...]:
    """Steps with the line that was told of each."""
    return tuple(
        StepSeen(
            step=each.step,
            state=each.state,
            seconds=(each.ended_at - each.started_at).total_seconds() if each.ended_at else None,
            told=each.evidence.get("error") or causes.get((each.run, each.step), ""),
            evidence=each.evidence,
        )
        for each in steps
    )
