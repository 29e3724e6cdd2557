"""The base classes of tables and payloads: common columns, and derived columns."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.db.schema import NOW

LAST_VERSION = 2**31 - 1
"""The version after which versions begin again at 1: the largest integer of the column."""


class Row(SQLModel):
    """The columns that every table with an id begins with."""

    # Every response has all fields of a read model, so the OpenAPI document says so.
    model_config = {"json_schema_serialization_defaults_required": True}

    id: UUID = Field(
        primary_key=True,
        schema_extra={"examples": ["019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"]},
    )
    version: int = Field(
        ge=1,
        sa_column_kwargs={"server_default": sa.text("1")},
        le=LAST_VERSION,
        description=f"Starts at 1 and grows with each change; after {LAST_VERSION} comes 1.",
        schema_extra={"examples": [1]},
    )
    created_at: datetime = Field(
        sa_column_kwargs={"server_default": NOW},
        schema_extra={"examples": ["2026-11-22T08:30:00.123456Z"]},
    )
    updated_at: datetime = Field(
        sa_column_kwargs={"server_default": NOW},
        schema_extra={"examples": ["2026-11-22T08:30:00.123456Z"]},
    )


ABSENT: Any = None
"""The default of a field that a PATCH may omit but that cannot be null."""


def _documented(schema: dict[str, Any]) -> None:
    """Remove defaults that mean *absent*, and build the example from those of the fields."""
    fields: dict[str, dict[str, Any]] = schema["properties"]
    for field in fields.values():
        if field.get("default", ABSENT) is ABSENT:
            field.pop("default", None)
    examples = {
        name: {**field.get("anyOf", [{}])[0], **field}.get("examples")
        for name, field in fields.items()
    }
    schema["examples"] = [{name: values[0] for name, values in examples.items() if values}]


class Payload(SQLModel):
    """The base of request bodies; rejects unknown fields."""

    model_config = {"extra": "forbid", "json_schema_extra": _documented}


def derived_from(source: str, derive: Callable[[str], str], **column: bool) -> Any:
    """Declare a column that stores ``derive(source)``, sorted by bytes (collation ``C``).

    It is written with the source field, and its violated unique constraint points at that field.
    """
    return Field(
        sa_type=sa.Text(collation="C"),  # type: ignore[call-overload]
        sa_column_kwargs={"info": {"source": source, "derive": derive}},
        **column,
    )
