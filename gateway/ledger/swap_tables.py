"""The table of swaps of full weights: one at a time, by one gateway, and known to all of them."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from gateway.ledger.tables import Table


class WeightSwapRow(Table):
    """Weights brought to engines one by one; `running` is 1 while under way, else null: never two at once."""

    __tablename__ = "weight_swaps"

    id: Mapped[str] = mapped_column(primary_key=True)
    alias: Mapped[str]  # empty where engines only get back what they should have
    began: Mapped[dict[str, Any]]  # the alias's weights before
    wanted: Mapped[dict[str, Any]]  # and after
    change: Mapped[dict[str, Any]]  # kind, cause and evidence, for the trail
    actor: Mapped[str]
    allow_gap: Mapped[bool]
    state: Mapped[str]  # running, done or undone
    reason: Mapped[str]
    running: Mapped[int | None] = mapped_column(unique=True)
    out: Mapped[str | None]  # the engine that is being worked on: nobody leads requests to it
    owner: Mapped[str]
    lease_until: Mapped[datetime]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
