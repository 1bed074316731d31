"""What people said, what was frozen, what was erased, and rollouts with their evidence."""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT, TIME = sa.Text(), sa.DateTime(timezone=True)


def upgrade() -> None:
    """Tables more, and whose each pair is, so that it can be erased without reading all of them."""
    op.add_column("exchanges", sa.Column("erased_at", TIME, nullable=True))
    op.add_column("candidates", sa.Column("late_reward", sa.Double(), nullable=True))
    op.add_column("keys", sa.Column("learn", sa.Boolean(), nullable=True))
    for name, kind in (("key_id", TEXT), ("subject", TEXT), ("erased_at", TIME)):
        op.add_column("pairs", sa.Column(name, kind, nullable=True))
    op.create_index("ix_pairs_key_id", "pairs", ["key_id"])
    op.create_index("ix_pairs_subject", "pairs", ["subject"])
    say_whose()
    by_alias()
    feedback()
    datasets()
    rollouts()
    outcomes()
    weight_swaps()


def say_whose() -> None:
    """Copy what the provenance of pairs says of their owners."""
    pairs = sa.table(
        "pairs", *map(sa.column, ("id", "key_id", "subject")), sa.column("provenance", sa.JSON())
    )
    connection = op.get_bind()
    for pair, provenance in connection.execute(sa.select(pairs.c.id, pairs.c.provenance)).all():
        whose = {name: provenance.get(name) for name in ("key_id", "subject")}
        connection.execute(pairs.update().where(pairs.c.id == pair).values(**whose))


def by_alias() -> None:
    """One retraining an alias at a time, where there was one in all."""
    with op.batch_alter_table("retrainings") as retrainings:
        retrainings.drop_constraint("uq_retrainings_running", type_="unique")
        retrainings.add_column(sa.Column("alias", TEXT, nullable=False, server_default="assistant"))
    with op.batch_alter_table("retrainings") as retrainings:
        retrainings.alter_column("alias", server_default=None)
    op.create_index("uq_retrainings_alias_running", "retrainings", ["alias", "running"], unique=True)


def feedback() -> None:
    """What people said."""
    op.create_table(
        "feedback",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("exchange_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=True),
        sa.Column("other", sa.Integer(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("text", TEXT, nullable=True),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_exchange_id", "feedback", ["exchange_id"])
    op.create_index("ix_feedback_subject", "feedback", ["subject"])
    op.create_index("ix_feedback_kind_created_at", "feedback", ["kind", "created_at"])


def datasets() -> None:
    """What was frozen, and what was erased."""
    op.create_table(
        "datasets",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("erased_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("sha256", name="pk_datasets"),
    )
    op.create_table(
        "dataset_pairs",
        sa.Column("dataset", TEXT, nullable=False),
        sa.Column("pair", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.sha256"], name="fk_dataset_pairs_dataset"),
        sa.ForeignKeyConstraint(["pair"], ["pairs.id"], name="fk_dataset_pairs_pair"),
        sa.PrimaryKeyConstraint("dataset", "pair", name="pk_dataset_pairs"),
    )
    op.create_index("ix_dataset_pairs_pair", "dataset_pairs", ["pair"])
    op.create_table(
        "erasures",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("subject_digest", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("datasets", sa.JSON(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_subject_digest", "erasures", ["subject_digest"])


def rollouts() -> None:
    """Rollouts and their tests."""
    op.create_table(
        "rollouts",
        *(sa.Column(name, TEXT, nullable=False) for name in ("id", "alias", "version", "baseline", "state")),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("moving", sa.JSON(), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=True),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("retraining_id", TEXT, nullable=True),
        sa.Column("running", sa.Integer(), nullable=True),
        sa.Column("owner", TEXT, nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("moved_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], name="fk_rollouts_version"),
        sa.ForeignKeyConstraint(["baseline"], ["versions.id"], name="fk_rollouts_baseline"),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
    )
    op.create_index("uq_rollouts_alias_running", "rollouts", ["alias", "running"], unique=True)
    op.create_table(
        "rollout_evidence",
        sa.Column("rollout_id", TEXT, nullable=False),
        sa.Column("metric", TEXT, nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name="fk_rollout_evidence_rollout_id"),
        sa.PrimaryKeyConstraint("rollout_id", "metric", name="pk_rollout_evidence"),
    )


def outcomes() -> None:
    """What the tests of rollouts read."""
    op.create_table(
        "outcomes",
        sa.Column("seq", COUNTER, nullable=False),
        *(
            sa.Column(name, TEXT, nullable=False)
            for name in ("rollout_id", "exchange_id", "arm", "version", "conversation")
        ),
        sa.Column("admitted_at", TIME, nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("flagged", "refused", "failed")),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.Column("reward", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name="fk_outcomes_rollout_id"),
        sa.PrimaryKeyConstraint("seq", name="pk_outcomes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outcomes_rollout_id_seq", "outcomes", ["rollout_id", "seq"])
    whose = ["rollout_id", "arm", "conversation"]
    op.create_index("ix_outcomes_rollout_id_arm_conversation", "outcomes", whose)


def weight_swaps() -> None:
    """Full weights brought to engines one by one."""
    op.create_table(
        "weight_swaps",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("alias", TEXT, nullable=False),
        sa.Column("began", sa.JSON(), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("change", sa.JSON(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("allow_gap", sa.Boolean(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("running", sa.Integer(), nullable=True),
        sa.Column("out", TEXT, nullable=True),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("lease_until", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.UniqueConstraint("running", name="uq_weight_swaps_running"),
    )


def downgrade() -> None:
    """What people said and what rollouts saw is forgotten; pairs keep what their provenance says."""
    op.drop_table("weight_swaps")
    op.drop_index("ix_outcomes_rollout_id_arm_conversation", "outcomes")
    op.drop_index("ix_outcomes_rollout_id_seq", "outcomes")
    op.drop_table("outcomes")
    op.drop_table("rollout_evidence")
    op.drop_index("uq_rollouts_alias_running", "rollouts")
    op.drop_table("rollouts")
    op.drop_table("erasures")
    op.drop_index("ix_dataset_pairs_pair", "dataset_pairs")
    op.drop_table("dataset_pairs")
    op.drop_table("datasets")
    op.drop_index("ix_feedback_kind_created_at", "feedback")
    op.drop_index("ix_feedback_subject", "feedback")
    op.drop_index("ix_feedback_exchange_id", "feedback")
    op.drop_table("feedback")
    op.drop_index("ix_pairs_subject", "pairs")
    op.drop_index("ix_pairs_key_id", "pairs")
    op.drop_index("uq_retrainings_alias_running", "retrainings")
    with op.batch_alter_table("retrainings") as retrainings:
        retrainings.drop_column("alias")
        retrainings.create_unique_constraint("uq_retrainings_running", ["running"])
    with op.batch_alter_table("pairs") as pairs:
        for name in ("erased_at", "subject", "key_id"):
            pairs.drop_column(name)
    with op.batch_alter_table("candidates") as candidates:
        candidates.drop_column("late_reward")
    with op.batch_alter_table("exchanges") as exchanges:
        exchanges.drop_column("erased_at")
    with op.batch_alter_table("keys") as keys:
        keys.drop_column("learn")
