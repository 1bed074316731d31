"""The audit trail of retrainings: what changed, who or what changed it, and on which evidence."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.tables import RetrainingRow, TransitionRow


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
    """Write down how a run ended."""
    ended = {"state": state, "running": None, "reasons": list(reasons), "ended_at": datetime.now(UTC)}
    await connection.execute(update(RetrainingRow).where(RetrainingRow.id == run_id).values(**ended))
    change = Change({"state": "running"}, {"state": state}, "; ".join(reasons) or state)
    await note(connection, run_id, change, actor)


async def note(connection: AsyncConnection, run_id: str, change: Change, actor: str) -> None:
    """Add a transition to the audit trail."""
    values = {
        "kind": "retraining",
        "subject": run_id,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
        "actor": actor,
        "evidence": change.evidence,
        "created_at": datetime.now(UTC),
    }
    await connection.execute(insert(TransitionRow).values(**values))
