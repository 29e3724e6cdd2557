"""SQL text, compiled once for each shape of a statement."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, bindparam
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


def new_values(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Name the values that are written to columns as ``new_value`` does."""
    return {f"new_{column}": value for column, value in columns.items()}
