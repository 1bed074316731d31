"""The tables of what guards said: narrow, so that a draft policy can be tried on millions of exchanges."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.ledger.columns import COUNTER
from gateway.ledger.tables import Table


class EvidenceRow(Table):
    """Every verdict on an exchange's texts, with all that an action follows from: see `evidence.py`."""

    __tablename__ = "evidence"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    exchange_id: Mapped[str] = mapped_column(ForeignKey("exchanges.id", ondelete="CASCADE"), unique=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    document: Mapped[str] = mapped_column(Text)  # JSON, in ASCII where it is not UTF-8


class PanelRow(Table):
    """The guards of a policy by their ids, each with the fingerprint of its kind, config, lists and weights."""

    __tablename__ = "panels"

    id: Mapped[str] = mapped_column(primary_key=True)  # a hash of the rest
    guards: Mapped[dict[str, Any]]
