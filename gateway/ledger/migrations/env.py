"""Run by Alembic on the caller's connection, whose transaction holds the whole upgrade."""

from typing import Any, Literal

from alembic import context

from gateway.ledger import (
    evidence_tables,
    learning_tables,
    policy_tables,
    rollout_tables,
    swap_tables,
    tables,
)
from gateway.ledger.columns import Instant, Storable

# Each module adds its own to the metadata.
ALL_TABLES = (tables, policy_tables, evidence_tables, learning_tables, rollout_tables, swap_tables)


def render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A frozen migration names the database's types, never ours, which may change."""
    names = {Storable: "sa.Text()", Instant: "sa.DateTime(timezone=True)"}
    return names.get(type(item), False) if kind == "type" else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.Table.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    render_item=render,
)
context.run_migrations()
