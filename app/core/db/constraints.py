"""What a violated constraint means to the client: which field, and what is wrong with it."""

import re
from collections.abc import Container
from functools import cache

import sqlalchemy as sa
from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError
from sqlmodel import SQLModel

from app.core.errors import AlreadyTaken, DomainError, FieldError, ReferenceMissing
from app.core.resources.models import Refusal, Row, source_of


def refused(error: CheckViolationError, given: Container[str]) -> DomainError | None:
    """Explain that a row would break a rule; None if no request should come so far.

    The field is to blame only if it is among the given ones.
    """
    refusal = _refusals().get(error.constraint_name or "")
    if refusal is None:
        return None
    if refusal.field not in given:
        return refusal.error(refusal.detail)
    return refusal.error.of_field(f"/{refusal.field}", refusal.code, refusal.detail)


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


@cache
def _refusals() -> dict[str, Refusal]:
    """Map the name of each rule to what it means."""
    return {name: refusal for row in Row.__subclasses__() for name, refusal in row.refusals.items()}
