"""What a violated constraint means to the client: which field, and what is wrong with it."""

from functools import cache

import sqlalchemy as sa
from asyncpg import ForeignKeyViolationError, UniqueViolationError
from sqlmodel import SQLModel

from app.core.errors import AlreadyTaken, FieldError, ReferenceMissing
from app.core.tables import source_of


def already_taken(error: UniqueViolationError) -> AlreadyTaken:
    """Explain that another row has a unique value."""
    field = _field(error.constraint_name)
    detail = f"This {_words(field)} is already taken."
    return AlreadyTaken(detail, [FieldError(pointer=f"/{field}", code="taken", detail=detail)])


def reference_missing(error: ForeignKeyViolationError) -> ReferenceMissing:
    """Explain that a row refers to another one that is not there."""
    field = _field(error.constraint_name)
    detail = f"There is no such {_words(field)}."
    return ReferenceMissing(
        detail, [FieldError(pointer=f"/{field}", code="missing", detail=detail)]
    )


def _words(field: str) -> str:
    return field.removesuffix("_id").removesuffix("_ids").replace("_", " ")


def _field(constraint: str | None) -> str:
    return _fields()[constraint or ""]


@cache
def _fields() -> dict[str, str]:
    """Map the name of each unique and foreign key to the field that a client wrote."""
    named: dict[str, str] = {}
    for table in SQLModel.metadata.tables.values():
        for constraint in table.constraints:
            if isinstance(constraint, sa.UniqueConstraint | sa.ForeignKeyConstraint):
                (column,) = constraint.columns
                named[str(constraint.name)] = source_of(column)
    return named
