"""Compiled SQL statements and their parameters."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Column, Table, bindparam
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter, ClauseElement

from app.core.db.journal import ACTOR, REQUEST_ID, WRITER
from app.core.db.schema import CALLER

_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
_LOCKING = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM|FOR (NO KEY )?UPDATE|FOR (KEY )?SHARE)\b")


class Statement:
    """The text of a statement and the names of its parameters, in the order of ``$1, $2, …``.

    Callers pass values by the names of ``bindparam``s. Constants and defaults in the query keep
    their values, unless a value of their name is passed.
    """

    def __init__(self, query: ClauseElement) -> None:
        compiled = query.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        self.text = compiled.string
        self.locks_rows = bool(_LOCKING.search(self.text))
        """Whether it changes or locks rows, and so may wait for the locks of other transactions."""
        self.checks_caller = CALLER in compiled.binds
        """Whether it writes only if the caller still has rights: it has ``CALLER_HOLDS``."""
        self.adds_events = ACTOR in compiled.binds
        """Whether it adds events to the journal; it then takes their actor from ``WRITER``."""
        binds = compiled.binds
        self._names = tuple(compiled.positiontup or ())
        self._constants = {
            name: binds[name].effective_value for name in self._names if not binds[name].required
        }

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of the parameters; a missing one raises ``KeyError``."""
        constants = self._constants
        if self.adds_events:
            actor, request_id = WRITER.get()
            values = {**values, ACTOR: actor, REQUEST_ID: request_id}
        return [
            constants[name] if name in constants and name not in values else values[name]
            for name in self._names
        ]


def new_value(column: Column[Any]) -> BindParameter[Any]:
    """Return the parameter for the new value of a column.

    It is named ``new_COLUMN``, because SQLAlchemy reserves the column's name for itself.
    """
    return bindparam(f"new_{column.name}", type_=column.type)


def new_values(table: Table, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the new values of columns by the parameter names of ``new_value``.

    Includes the columns that are derived from the given fields.
    """
    written = {**fields, **derived_columns(table, fields)}
    return {f"new_{name}": value for name, value in written.items()}


def derived_columns(table: Table, fields: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the values of the columns that are derived from the given fields."""
    return {
        name: None if fields[source] is None else derive(fields[source])
        for name, source, derive in _derivations(table)
        if source in fields
    }


@cache
def _derivations(table: Table) -> list[tuple[str, str, Callable[[str], str]]]:
    """List each derived column: its name, its source field, and the function that derives it."""
    return [
        (column.name, column.info["source"], column.info["derive"])
        for column in table.c
        if "derive" in column.info
    ]
