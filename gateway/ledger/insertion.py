"""Rows into one table by a statement prepared once: SQLAlchemy's own way thinks about each value of each row again.

What a column's type makes of a value is still SQLAlchemy's to say, so that both ways write the same.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.columns import Storable, storable

Row = Mapping[str, Any]
Bound = Callable[[Any], Any]


class Insertion:
    """The statement for one table and the columns of its rows, in one database's dialect."""

    def __init__(self, table: Table, columns: Sequence[str], dialect: Dialect) -> None:
        compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(columns))
        self.statement = str(compiled)
        order: Sequence[str] = compiled.positiontup or columns
        self._columns = [(name, bound_by(table, name, dialect)) for name in order]

    def parameters(self, row: Row) -> tuple[Any, ...]:
        """The row as the driver takes it."""
        return tuple([row[name] if bound is None else bound(row[name]) for name, bound in self._columns])


def bound_by(table: Table, name: str, dialect: Dialect) -> Bound | None:
    """What a column's type makes of a value; None where it takes it as it is."""
    if isinstance(table.c[name].type, Storable):  # which a row has ten of, and SQLAlchemy wraps twice
        return storable
    return table.c[name].type.dialect_impl(dialect).bind_processor(dialect)


prepared = cache(Insertion)  # as many as there are tables and databases


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        insertion = prepared(table, tuple(rows[0]), connection.dialect)
        await connection.exec_driver_sql(insertion.statement, [insertion.parameters(row) for row in rows])
