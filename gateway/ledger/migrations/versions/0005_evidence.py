"""What guards said of an exchange in one document; verdicts of earlier exchanges stay where they are."""

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Two tables more."""
    op.create_table(
        "evidence",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("exchange_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exchange_id"], ["exchanges.id"], name="fk_evidence_exchange_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.UniqueConstraint("exchange_id", name="uq_evidence_exchange_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_evidence_created_at", "evidence", ["created_at"])
    op.create_table(
        "panels",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("guards", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_panels"),
    )


def downgrade() -> None:
    """What guards said of exchanges since is forgotten; what was found, and what was done, is not."""
    op.drop_table("panels")
    op.drop_index("ix_evidence_created_at", "evidence")
    op.drop_table("evidence")
