"""The tables of a rollout: how far it has come, what was seen on the way, and what that proves."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from gateway.ledger.columns import COUNTER
from gateway.ledger.tables import Table


class RolloutRow(Table):
    """A version's way into an alias's traffic; `running` is 1 while under way, else null: one an alias at a time."""

    __tablename__ = "rollouts"
    __table_args__ = (Index("uq_rollouts_alias_running", "alias", "running", unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    alias: Mapped[str]
    version: Mapped[str] = mapped_column(ForeignKey("versions.id"))
    baseline: Mapped[str] = mapped_column(ForeignKey("versions.id"))
    state: Mapped[str]  # staged, shadow, canary, live, rolled_back, or stopped by somebody's own change
    share: Mapped[float]  # of the traffic, that the version answers, or of which a shadow is shown copies
    # Where it is about to be moved: written before traffic is, so that a worker that is killed between is understood.
    moving: Mapped[dict[str, Any] | None]
    asked: Mapped[
        dict[str, Any] | None
    ]  # where somebody wants it moved: no worker's own intent writes over it
    paused: Mapped[bool | None]
    plan: Mapped[dict[str, Any]]
    reasons: Mapped[list[Any]]
    retraining_id: Mapped[str | None]
    running: Mapped[int | None]
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    moved_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RolloutEvidenceRow(Table):
    """The state of one sequential test of a rollout, as of the outcome that it read last."""

    __tablename__ = "rollout_evidence"

    rollout_id: Mapped[str] = mapped_column(ForeignKey("rollouts.id"), primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[
        dict[str, Any]
    ]  # wealths, counts, a thinned trace; of `pairing`, how far outcomes were read
    updated_at: Mapped[datetime]


class OutcomeRow(Table):
    """How one request of an alias went while a rollout was under way; `arm` is stable, canary or shadow."""

    __tablename__ = "outcomes"
    __table_args__ = (
        Index(None, "rollout_id", "seq"),
        Index(None, "rollout_id", "arm", "conversation"),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    rollout_id: Mapped[str] = mapped_column(ForeignKey("rollouts.id"))
    exchange_id: Mapped[str]
    arm: Mapped[str]
    version: Mapped[str]
    conversation: Mapped[str]  # a keyed digest: one outcome of each counts
    admitted_at: Mapped[datetime]
    flagged: Mapped[bool]
    refused: Mapped[bool]
    failed: Mapped[bool]
    words: Mapped[int]  # of the answer
    reward: Mapped[float | None]
