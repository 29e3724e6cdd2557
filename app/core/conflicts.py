"""What a violated constraint means to the client: which field, and what is wrong with it."""

import re
from functools import cache

import sqlalchemy as sa
from asyncpg import ForeignKeyViolationError, UniqueViolationError
from sqlmodel import SQLModel

from app.core.errors import AlreadyTaken, FieldError, ReferenceMissing
from app.core.tables import source_of


def taken_fields(error: UniqueViolationError) -> list[str]:
    """Name the fields whose values another row has."""
    return _fields()[error.constraint_name or ""]


def already_taken(error: UniqueViolationError) -> AlreadyTaken:
    """Explain that another row has a unique value."""
    fields = taken_fields(error)
    named = " and ".join(field.replace("_", " ") for field in fields)
    detail = f"This {named} is already taken."
    errors = [FieldError(pointer=f"/{field}", code="taken", detail=detail) for field in fields]
    return AlreadyTaken(detail, errors)


def reference_missing(error: ForeignKeyViolationError) -> ReferenceMissing:
    """Explain that a row refers to another one that is not there."""
    (field,) = _fields()[error.constraint_name or ""]
    noun = re.sub("_ids?$", "", field).replace("_", " ")
    return ReferenceMissing.of_field(f"/{field}", "missing", f"There is no such {noun}.")


@cache
def _fields() -> dict[str, list[str]]:
    """Map the name of each key, primary, unique or foreign, to the fields that a client wrote."""
    return {
        str(constraint.name): [source_of(column) for column in constraint.columns]
        for table in SQLModel.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(
            constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint | sa.ForeignKeyConstraint
        )
    }
