"""The tables of the learning loop beyond pairs and runs: what people said, what was frozen, what was erased."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from gateway.ledger.tables import Table


class FeedbackRow(Table):
    """What somebody said of an exchange's answer; `kind` is thumb, edit, overturn or comparison.

    A thumb has a `value` of 1 or -1, an edit the better `text`; an overturn says that a guard was wrong to withhold,
    and may name the candidate, or bring the text, that should have been delivered; a comparison says that
    `candidate` is better than `other`. No candidate means the answer that was delivered.
    """

    __tablename__ = "feedback"
    __table_args__ = (Index(None, "kind", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    exchange_id: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    candidate: Mapped[int | None]  # a position among the exchange's candidates
    other: Mapped[int | None]
    value: Mapped[float | None]
    text: Mapped[str | None]
    key_id: Mapped[str]  # of whoever said it
    role: Mapped[str]
    subject: Mapped[str | None] = mapped_column(index=True)  # the exchange's, whom erasure is asked for
    created_at: Mapped[datetime]


class DatasetRow(Table):
    """A frozen dataset; `erased_at` is when something that it holds was first erased: it trains nothing any more."""

    __tablename__ = "datasets"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]  # pairs, ratings, or pairs and ratings
    path: Mapped[str]
    rows: Mapped[int]
    counts: Mapped[dict[str, Any]]  # by kind, source, language …, and what each filter took
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]


class DatasetPairRow(Table):
    """That a dataset holds a pair."""

    __tablename__ = "dataset_pairs"

    dataset: Mapped[str] = mapped_column(ForeignKey("datasets.sha256"), primary_key=True)
    pair: Mapped[str] = mapped_column(ForeignKey("pairs.id"), primary_key=True, index=True)


class ErasureRow(Table):
    """That a subject's data was erased: its digest, since the name itself is forgotten too, and what was reached."""

    __tablename__ = "erasures"

    id: Mapped[str] = mapped_column(primary_key=True)
    subject_digest: Mapped[str] = mapped_column(index=True)
    actor: Mapped[str]
    counts: Mapped[dict[str, Any]]  # exchanges, pairs, feedback
    datasets: Mapped[list[Any]]
    versions: Mapped[list[Any]]
    created_at: Mapped[datetime]
