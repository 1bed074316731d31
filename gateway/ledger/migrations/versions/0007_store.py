"""Whether an exchange may be learnt from."""

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """What OpenAI's `store` said; nobody was asked before."""
    op.add_column("exchanges", sa.Column("learn", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """What clients said of it is forgotten."""
    with op.batch_alter_table("exchanges") as exchanges:
        exchanges.drop_column("learn")
