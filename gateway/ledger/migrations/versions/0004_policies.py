"""Numbers of guard policies, their places and their shadows; revisions among candidates."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Policies that are there are numbered in the order in which they came."""
    op.add_column("candidates", sa.Column("revision_of", sa.Integer(), nullable=True))
    op.add_column("policies", sa.Column("effective", sa.Text(), nullable=True))
    op.add_column("policies", sa.Column("number", sa.Integer(), nullable=True))
    op.add_column("policies", sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=True))
    number_policies()
    op.create_table(
        "policy_places",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_policy_places"),
    )
    op.create_table(
        "shadow_judgements",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("exchange_id", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("beside", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Integer(), nullable=False),
        sa.Column("acted", sa.Text(), nullable=False),
        sa.Column("would", sa.Text(), nullable=False),
        sa.Column("hazards", sa.JSON(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shadow_judgements"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_shadow_judgements_policy_id", "shadow_judgements", ["policy", "id"])
    op.create_table(
        "shadow_counts",
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("acted", sa.Text(), nullable=False),
        sa.Column("would", sa.Text(), nullable=False),
        sa.Column("texts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "side", "acted", "would", name="pk_shadow_counts"),
    )


def number_policies() -> None:
    """Give each policy the number of its turn."""
    policies = sa.table(
        "policies", sa.column("digest"), sa.column("number"), sa.column("created_at", sa.DateTime())
    )
    connection = op.get_bind()
    digests = connection.execute(sa.select(policies.c.digest).order_by(policies.c.created_at)).scalars().all()
    for number, digest in enumerate(digests, 1):
        connection.execute(policies.update().where(policies.c.digest == digest).values(number=number))


def downgrade() -> None:
    """Numbers, places and shadows are forgotten; keys keep the policies that they name."""
    op.drop_table("shadow_counts")
    op.drop_index("ix_shadow_judgements_policy_id", "shadow_judgements")
    op.drop_table("shadow_judgements")
    op.drop_table("policy_places")
    op.drop_column("policies", "chosen_at")
    op.drop_column("policies", "number")
    op.drop_column("policies", "effective")
    op.drop_column("candidates", "revision_of")
