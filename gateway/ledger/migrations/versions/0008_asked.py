"""What people ask of a rollout, beside where its worker moves it."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    """Nothing was asked for; what was and is not done yet stands among the moves that are gone on with."""
    op.add_column("rollouts", sa.Column("asked", sa.JSON(), nullable=True))


def downgrade() -> None:
    """What was asked for and is not done yet is forgotten."""
    with op.batch_alter_table("rollouts") as rollouts:
        rollouts.drop_column("asked")
