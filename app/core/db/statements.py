"""SQL text, compiled once for each shape of a statement, and its parameters."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Column, Table, bindparam
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter, ClauseElement

_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Statement:
    """The text of a statement and the names of its parameters, in the order of ``$1, $2, …``.

    A value is given by the name of its ``bindparam``; SQLAlchemy's own constants are kept.
    """

    def __init__(self, query: ClauseElement) -> None:
        compiled = query.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        self.text = compiled.string
        binds = compiled.binds
        self._names = tuple(compiled.positiontup or ())
        self._constants = {
            name: binds[name].effective_value for name in self._names if not binds[name].required
        }

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values of the parameters in their order; a missing one is a KeyError."""
        constants = self._constants
        return [constants[name] if name in constants else values[name] for name in self._names]


def new_value(column: Column[Any]) -> BindParameter[Any]:
    """Return the parameter for what is written to a column.

    Its name differs from the column's, which SQLAlchemy keeps for its own parameters.
    """
    return bindparam(f"new_{column.name}", type_=column.type)


def new_values(table: Table, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Name the values that are written to columns as ``new_value`` does.

    Those of the columns that are derived from the fields are among them.
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
    """List each derived column: its name, its source, and how it is derived."""
    return [
        (column.name, column.info["source"], column.info["derive"])
        for column in table.c
        if "derive" in column.info
    ]
