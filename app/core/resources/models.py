"""What every table has: names for its constraints, an id, a version and two times."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.errors import DomainError

# Errors are told apart by the constraint's name, so each needs one that does not change.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_now = sa.func.statement_timestamp()


@dataclass(frozen=True)
class Refusal:
    """What it means to a client that a row would break a rule which the database holds."""

    error: type[DomainError]
    field: str
    code: str
    detail: str


class Row(SQLModel):
    """The columns that every table begins with."""

    refusals: ClassVar[Mapping[str, Refusal]] = {}
    """What the rules of a table mean that requests may break, by their full names.

    A rule is a CHECK constraint, or what a trigger reports as one.
    """

    # What a read model has stands in every answer, so its document says.
    model_config = {"json_schema_serialization_defaults_required": True}

    id: UUID = Field(
        primary_key=True,
        schema_extra={"examples": ["019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"]},
    )
    version: int = Field(
        ge=1,
        sa_column_kwargs={"server_default": sa.text("1")},
        description="Starts at 1 and grows with each change.",
        schema_extra={"examples": [1]},
    )
    created_at: datetime = Field(
        sa_column_kwargs={"server_default": _now},
        schema_extra={"examples": ["2026-11-22T08:30:00.123456+00:00"]},
    )
    updated_at: datetime = Field(
        sa_column_kwargs={"server_default": _now},
        schema_extra={"examples": ["2026-11-22T08:30:00.123456+00:00"]},
    )


ABSENT: Any = None
"""The default of a field that a change may leave out, though it cannot be null."""


def _documented(schema: dict[str, Any]) -> None:
    """Drop the defaults that only mean *absent*; make the example from those of the fields."""
    fields: dict[str, dict[str, Any]] = schema["properties"]
    for field in fields.values():
        field.pop("default", None)
    examples = {
        name: {**field.get("anyOf", [{}])[0], **field}.get("examples")
        for name, field in fields.items()
    }
    schema["examples"] = [{name: values[0] for name, values in examples.items() if values}]


class Payload(SQLModel):
    """What a client sends: a field that it does not know is refused."""

    model_config = {"extra": "forbid", "json_schema_extra": _documented}


def derived_from(source: str, derive: Callable[[str], str], **column: bool) -> Any:
    """Declare a column that holds ``derive(source)``, sorted by its bytes.

    The CRUD fills it whenever the source is written, and a conflict on it points at the source.
    """
    return Field(
        sa_type=sa.Text(collation="C"),  # type: ignore[call-overload]
        sa_column_kwargs={"info": {"source": source, "derive": derive}},
        **column,
    )


def table_of(row: type[SQLModel]) -> sa.Table:
    """Return the table that a row class declares."""
    table = sa.inspect(row).local_table
    assert isinstance(table, sa.Table)
    return table


def one_change_more(table: sa.Table) -> dict[sa.Column[Any], sa.ColumnElement[Any]]:
    """Return what a change of a row sets besides its fields."""
    return {table.c.version: table.c.version + sa.literal_column("1"), table.c.updated_at: _now}


def written_columns(table: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns that a new row is given values for; the database fills the others."""
    return [column for column in table.c if column.server_default is None]


def unique_columns(table: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns of which no two rows have the same value; the id is not among them."""
    constraints = (found for found in table.constraints if isinstance(found, sa.UniqueConstraint))
    keys = [constraint.columns.keys() for constraint in constraints]
    return [column for column in table.c if [column.name] in keys]


def source_of(column: sa.Column[Any]) -> str:
    """Return the field that a column stores: its own name, or what it is derived from."""
    return str(column.info.get("source", column.name))


def derived_columns(row: type[SQLModel], fields: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the values of the columns that are derived from the given fields."""
    return {
        name: None if fields[source] is None else derive(fields[source])
        for name, source, derive in _derivations(row)
        if source in fields
    }


@cache
def _derivations(row: type[SQLModel]) -> list[tuple[str, str, Callable[[str], str]]]:
    """List each derived column: its name, its source, and how it is derived."""
    return [
        (column.name, column.info["source"], column.info["derive"])
        for column in table_of(row).c
        if "derive" in column.info
    ]
