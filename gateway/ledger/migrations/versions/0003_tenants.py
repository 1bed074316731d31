"""Terms of keys and their rotation, names of policies, and what budgets have spent."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"

OF_KEYS: dict[str, Any] = {
    "expires_at": sa.DateTime(timezone=True),
    "previous_digest": sa.Text(),
    "previous_until": sa.DateTime(timezone=True),
    "limits": sa.JSON(),
    "bounds": sa.JSON(),
    "policy": sa.Text(),
}


def upgrade() -> None:
    """Keys as they are have no terms."""
    for name, kind in OF_KEYS.items():
        op.add_column("keys", sa.Column(name, kind, nullable=True))
    op.add_column("policies", sa.Column("name", sa.Text(), nullable=True))
    op.create_table(
        "key_usage",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "period", name="pk_key_usage"),
    )


def downgrade() -> None:
    """Terms and usage are forgotten: keys are then without limit, and those that had expired are valid again."""
    op.drop_table("key_usage")
    op.drop_column("policies", "name")
    for name in OF_KEYS:
        op.drop_column("keys", name)
