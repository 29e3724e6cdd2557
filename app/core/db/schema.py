"""Helpers for table declarations: constraint names, columns and their source fields."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import SQLModel

# Errors are mapped by the constraint's name, so each constraint needs a stable name.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

NOW = sa.func.statement_timestamp()
"""The database's time when it received the statement."""


def interval(duration: timedelta) -> sa.ColumnElement[Any]:
    """Return a duration as a constant, to add to a time or to subtract from it."""
    return sa.literal_column(f"interval '{duration.total_seconds()} seconds'")


WAL_RECORD = sa.func.pg_logical_emit_message(
    sa.true(), sa.literal_column("'crossfit-api'::text"), sa.literal_column("''::text")
).label("wal_record")
"""Writes a record to the WAL, the log that standbys follow; it changes no row.

The commit of a transaction that has written nothing does not wait for a synchronous standby. So it
could acknowledge what an earlier transaction wrote, before a standby has that.
"""


CALLER, CALLER_IS_ADMIN = "caller", "caller_is_admin"
CALLER_ROLES, CALLER_ATHLETE = "caller_roles", "caller_athlete"
"""The parameters of ``CALLER_HOLDS``; without a caller, it is true."""

_CALLER: sa.ColumnElement[Any] = sa.bindparam(CALLER, None, type_=sa.Uuid)
_ROLES: sa.ColumnElement[Any] = sa.bindparam(CALLER_ROLES, None, type_=ARRAY(sa.Text))
_ATHLETE: sa.ColumnElement[Any] = sa.bindparam(CALLER_ATHLETE, None, type_=sa.Uuid)
LIVE_CALLERS = sa.table(
    "live_callers",
    sa.column("id", sa.Uuid),
    sa.column("is_admin", sa.Boolean),
    sa.column("roles", ARRAY(sa.Text)),
    sa.column("athlete_id", sa.Uuid),
)
"""The callers of live tokens, and what their rights follow from."""
CALLER_HOLDS = sa.or_(
    _CALLER.is_(None),
    sa.select(LIVE_CALLERS.c.id)
    .where(
        LIVE_CALLERS.c.id == _CALLER,
        LIVE_CALLERS.c.is_admin == sa.bindparam(CALLER_IS_ADMIN, None, type_=sa.Boolean),
        sa.or_(
            LIVE_CALLERS.c.is_admin,
            sa.and_(
                LIVE_CALLERS.c.roles == _ROLES,
                LIVE_CALLERS.c.athlete_id.is_not_distinct_from(_ATHLETE),
            ),
        ),
    )
    .exists(),
)
"""The condition that a caller still has the rights that were found a moment ago.

A statement that writes has it, so that the caller needs no statement of its own. A migration of the
feature that knows tokens creates the view ``live_callers``.
"""


def table_of(row: type[SQLModel]) -> sa.Table:
    """Return the table that a row class declares."""
    table = sa.inspect(row).local_table
    assert isinstance(table, sa.Table)
    return table


def written_columns(table: sa.Table) -> list[sa.Column[object]]:
    """Return the columns that an insert sets; the database fills the others."""
    return [column for column in table.c if column.server_default is None]


def unique_columns(table: sa.Table) -> list[sa.Column[object]]:
    """Return the columns with a UNIQUE constraint of their own, without the id."""
    constraints = (found for found in table.constraints if isinstance(found, sa.UniqueConstraint))
    keys = [constraint.columns.keys() for constraint in constraints]
    return [column for column in table.c if [column.name] in keys]


def source_of(column: sa.Column[object]) -> str:
    """Return the field behind a column: its own name, or the field that it is derived from."""
    return str(column.info.get("source", column.name))


def is_referred_to(table: sa.Table) -> bool:
    """Return whether a foreign key to this table prevents the deletion of its rows."""
    return any(
        key.column.table is table and key.ondelete is None
        for other in SQLModel.metadata.tables.values()
        for key in other.foreign_keys
    )
