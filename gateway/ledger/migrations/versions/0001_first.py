"""The first tables: exchanges, keys, versions, routes, audit, and the learning loop.

Frozen as they were: what comes later is a revision of its own.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None

FIRST = sa.MetaData()
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

sa.Table(
    "dead_letters",
    FIRST,
    sa.Column("exchange_id", sa.Text(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("document", sa.Text(), nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("exchange_id", name="pk_dead_letters"),
)
sa.Table(
    "exchanges",
    FIRST,
    sa.Column("seq", COUNTER, nullable=False),
    sa.Column("id", sa.Text(), nullable=False),
    sa.Column("key_id", sa.Text(), nullable=False),
    sa.Column("alias", sa.Text(), nullable=False),
    sa.Column("version", sa.Text(), nullable=False),
    sa.Column("policy", sa.Text(), nullable=False),
    sa.Column("strategy", sa.Text(), nullable=False),
    sa.Column("messages", sa.JSON(), nullable=False),
    sa.Column("action", sa.Text(), nullable=False),
    sa.Column("answer", sa.Text(), nullable=False),
    sa.Column("finish_reason", sa.Text(), nullable=False),
    sa.Column("prompt_screening", sa.JSON(), nullable=True),
    sa.Column("chosen", sa.Integer(), nullable=True),
    sa.Column("why", sa.Text(), nullable=False),
    sa.Column("degraded", sa.JSON(), nullable=False),
    sa.Column("prompt_tokens", sa.Integer(), nullable=False),
    sa.Column("completion_tokens", sa.Integer(), nullable=False),
    sa.Column("stage_seconds", sa.JSON(), nullable=False),
    sa.Column("subject", sa.Text(), nullable=True),
    sa.Column("streamed", sa.Boolean(), nullable=False),
    sa.Column("error", sa.Text(), nullable=True),
    sa.Column("flagged", sa.Boolean(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("seq", name="pk_exchanges"),
    sa.UniqueConstraint("id", name="uq_exchanges_id"),
    sa.Index("ix_exchanges_created_at", "created_at"),
    sa.Index("ix_exchanges_flagged_seq", "flagged", "seq"),
    sa.Index("ix_exchanges_subject", "subject"),
    sa.Index("ix_exchanges_version_seq", "version", "seq"),
    sqlite_autoincrement=True,
)
sa.Table(
    "keys",
    FIRST,
    sa.Column("id", sa.Text(), nullable=False),
    sa.Column("digest", sa.Text(), nullable=False),
    sa.Column("hint", sa.Text(), nullable=False),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("role", sa.Text(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint("id", name="pk_keys"),
    sa.UniqueConstraint("digest", name="uq_keys_digest"),
)
sa.Table(
    "policies",
    FIRST,
    sa.Column("digest", sa.Text(), nullable=False),
    sa.Column("document", sa.Text(), nullable=False),
    sa.Column("replaced", sa.Text(), nullable=False),
    sa.Column("active", sa.Boolean(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("digest", name="pk_policies"),
)
sa.Table(
    "retrainings",
    FIRST,
    sa.Column("id", sa.Text(), nullable=False),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("running", sa.Integer(), nullable=True),
    sa.Column("parameters", sa.JSON(), nullable=False),
    sa.Column("reasons", sa.JSON(), nullable=False),
    sa.Column("owner", sa.Text(), nullable=True),
    sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint("id", name="pk_retrainings"),
    sa.UniqueConstraint("running", name="uq_retrainings_running"),
)
sa.Table(
    "transitions",
    FIRST,
    sa.Column("id", COUNTER, nullable=False),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("subject", sa.Text(), nullable=False),
    sa.Column("before", sa.JSON(), nullable=False),
    sa.Column("after", sa.JSON(), nullable=False),
    sa.Column("cause", sa.Text(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("evidence", sa.JSON(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("id", name="pk_transitions"),
    sa.Index("ix_transitions_kind_subject_id", "kind", "subject", "id"),
    sqlite_autoincrement=True,
)
sa.Table(
    "versions",
    FIRST,
    sa.Column("id", sa.Text(), nullable=False),
    sa.Column("base", sa.Text(), nullable=False),
    sa.Column("path", sa.Text(), nullable=True),
    sa.Column("parent", sa.Text(), nullable=True),
    sa.Column("lineage", sa.JSON(), nullable=False),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["parent"], ["versions.id"], name="fk_versions_parent"),
    sa.PrimaryKeyConstraint("id", name="pk_versions"),
)
sa.Table(
    "candidates",
    FIRST,
    sa.Column("exchange_id", sa.Text(), nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
    sa.Column("index", sa.Integer(), nullable=False),
    sa.Column("text", sa.Text(), nullable=False),
    sa.Column("message", sa.JSON(), nullable=False),
    sa.Column("finish_reason", sa.Text(), nullable=False),
    sa.Column("tokens", sa.Integer(), nullable=False),
    sa.Column("logprobs", sa.JSON(), nullable=True),
    sa.Column("screening", sa.JSON(), nullable=True),
    sa.Column("reward", sa.Double(), nullable=True),
    sa.ForeignKeyConstraint(
        ["exchange_id"], ["exchanges.id"], name="fk_candidates_exchange_id", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("exchange_id", "position", name="pk_candidates"),
)
sa.Table(
    "findings",
    FIRST,
    sa.Column("exchange_id", sa.Text(), nullable=False),
    sa.Column("candidate", sa.Integer(), nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
    sa.Column("guard", sa.Text(), nullable=False),
    sa.Column("hazard", sa.Text(), nullable=False),
    sa.Column("probability", sa.Double(), nullable=False),
    sa.Column("action", sa.Text(), nullable=False),
    sa.Column("part", sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(
        ["exchange_id"], ["exchanges.id"], name="fk_findings_exchange_id", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("exchange_id", "candidate", "position", name="pk_findings"),
    sa.Index("ix_findings_hazard_exchange_id", "hazard", "exchange_id"),
)
sa.Table(
    "pairs",
    FIRST,
    sa.Column("id", sa.Text(), nullable=False),
    sa.Column("content_hash", sa.Text(), nullable=False),
    sa.Column("exchange_id", sa.Text(), nullable=True),
    sa.Column("prompt", sa.JSON(), nullable=False),
    sa.Column("chosen", sa.Text(), nullable=False),
    sa.Column("rejected", sa.Text(), nullable=False),
    sa.Column("provenance", sa.JSON(), nullable=False),
    sa.Column("dataset_hash", sa.Text(), nullable=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["exchange_id"], ["exchanges.id"], name="fk_pairs_exchange_id"),
    sa.PrimaryKeyConstraint("id", name="pk_pairs"),
    sa.UniqueConstraint("content_hash", name="uq_pairs_content_hash"),
    sa.Index("ix_pairs_dataset_hash", "dataset_hash"),
    sa.Index("ix_pairs_exchange_id", "exchange_id"),
)
sa.Table(
    "retraining_steps",
    FIRST,
    sa.Column("retraining_id", sa.Text(), nullable=False),
    sa.Column("step", sa.Text(), nullable=False),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("evidence", sa.JSON(), nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(["retraining_id"], ["retrainings.id"], name="fk_retraining_steps_retraining_id"),
    sa.PrimaryKeyConstraint("retraining_id", "step", name="pk_retraining_steps"),
)
sa.Table(
    "routes",
    FIRST,
    sa.Column("alias", sa.Text(), nullable=False),
    sa.Column("version", sa.Text(), nullable=False),
    sa.Column("weight", sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(["version"], ["versions.id"], name="fk_routes_version"),
    sa.PrimaryKeyConstraint("alias", "version", name="pk_routes"),
)
sa.Table(
    "verdicts",
    FIRST,
    sa.Column("exchange_id", sa.Text(), nullable=False),
    sa.Column("candidate", sa.Integer(), nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
    sa.Column("guard", sa.Text(), nullable=False),
    sa.Column("scores", sa.JSON(), nullable=False),
    sa.Column("spans", sa.JSON(), nullable=False),
    sa.Column("latency_seconds", sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(
        ["exchange_id"], ["exchanges.id"], name="fk_verdicts_exchange_id", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("exchange_id", "candidate", "position", name="pk_verdicts"),
    sa.Index("ix_verdicts_guard", "guard"),
)


def upgrade() -> None:
    """From an empty database."""
    FIRST.create_all(op.get_bind(), checkfirst=False)


def downgrade() -> None:
    """To an empty database."""
    FIRST.drop_all(op.get_bind())
