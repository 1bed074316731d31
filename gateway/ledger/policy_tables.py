"""The ledger's tables of guard policies: those that are kept, where they stand, and what shadows would have done."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from gateway.ledger.columns import COUNTER
from gateway.ledger.tables import Table


class PolicyRow(Table):
    """A guard policy that came through the admin API, as it was written: for all, or for keys that name it."""

    __tablename__ = "policies"

    digest: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]  # null where it came before names were kept
    document: Mapped[str]  # as its author wrote it
    effective: Mapped[str | None]  # with all that it extends merged in, as JSON; null in rows from before
    number: Mapped[int | None]  # of its version, counted in the order in which they came
    replaced: Mapped[str]  # the digest of the configured policy it stands in for
    active: Mapped[bool]
    created_at: Mapped[datetime]
    chosen_at: Mapped[
        datetime | None
    ]  # when it was last put in force: what a name means is the latest of that name


class PolicyPlaceRow(Table):
    """A place where another policy than the one in force stands: `alias:NAME`, or `shadow`."""

    __tablename__ = "policy_places"

    place: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[str]  # by digest


class ShadowRow(Table):
    """What a shadow policy would have done to one text, where that is something else. It trains nothing."""

    __tablename__ = "shadow_judgements"
    __table_args__ = (Index(None, "policy", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    exchange_id: Mapped[str]  # which need not have been recorded itself
    policy: Mapped[str]  # the shadow policy's digest
    beside: Mapped[str]  # the digest of the policy that acted
    candidate: Mapped[int]  # by its position; -1 is the prompt
    acted: Mapped[str]  # what was done
    would: Mapped[str]  # what the shadow policy would have done
    hazards: Mapped[list[Any]]
    scores: Mapped[dict[str, Any]]  # by guard and hazard
    created_at: Mapped[datetime]


class ShadowCountRow(Table):
    """How many texts were acted upon in one way where a shadow policy would have acted in this way."""

    __tablename__ = "shadow_counts"

    policy: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)  # prompt or reply
    acted: Mapped[str] = mapped_column(primary_key=True)
    would: Mapped[str] = mapped_column(primary_key=True)
    texts: Mapped[int] = mapped_column(BigInteger)
