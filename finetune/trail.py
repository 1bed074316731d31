"""The audit trail of retrainings and their watch: what changed, who or what changed it, and on which evidence."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, TransitionRow

LEFT = "left"  # what becomes of a step whose worker stopped in it; its row stays "started", with an end


@dataclass(frozen=True, slots=True)
class Change:
    """From what to what, and why."""

    before: dict[str, Any]
    after: dict[str, Any]
    cause: str
    evidence: dict[str, Any] = field(default_factory=dict)


async def close_run(
    connection: AsyncConnection, run_id: str, state: str, reasons: tuple[str, ...], actor: str
) -> None:
    """Write down how a run ended, and its steps with it."""
    await close_steps(connection, run_id, actor)
    ended = {"state": state, "running": None, "reasons": list(reasons), "ended_at": datetime.now(UTC)}
    await connection.execute(update(RetrainingRow).where(RetrainingRow.id == run_id).values(**ended))
    change = Change({"state": "running"}, {"state": state}, "; ".join(reasons) or state)
    await note(connection, run_id, change, actor)


async def close_steps(connection: AsyncConnection, run_id: str, actor: str) -> None:
    """End the steps that a run's worker left, at the end of its lease: it showed no sign of life since."""
    run, step, now = RetrainingRow, RetrainingStepRow, datetime.now(UTC)
    until = min(await connection.scalar(select(run.lease_until).where(run.id == run_id)) or now, now)
    begun = (step.retraining_id == run_id, step.state == "started", step.ended_at.is_(None))
    for name, began in (await connection.execute(select(step.step, step.started_at).where(*begun))).all():
        await connection.execute(update(step).where(*begun, step.step == name).values(ended_at=until))
        moved = ({"step": name, "state": "started"}, {"step": name, "state": LEFT})
        lasted = {"seconds": (until - began).total_seconds()}
        await note(connection, run_id, Change(*moved, f"{name} was left by its worker", lasted), actor)


async def note(
    connection: AsyncConnection, subject: str, change: Change, actor: str, kind: str = "retraining"
) -> None:
    """Add a transition to the audit trail: of a run, or of another kind of subject."""
    values = {
        "kind": kind,
        "subject": subject,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
        "actor": actor,
        "evidence": change.evidence,
        "created_at": datetime.now(UTC),
    }
    await connection.execute(insert(TransitionRow).values(**values))
