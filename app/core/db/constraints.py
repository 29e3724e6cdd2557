"""The client-facing errors for violated constraints: which field, and what is wrong with it."""

import re
from collections.abc import Container
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError
from sqlmodel import SQLModel

from app.core.db.schema import source_of
from app.core.errors import AlreadyTaken, DomainError, FieldError, ReferenceMissing

RULES = "rules"
"""Where a table's ``info`` has its rules, by the full names of the constraints.

Only those that requests may break: ``{"info": {RULES: {"ck_trainings_taken": Rule(…)}}}``. What a
trigger reports as a CHECK constraint is a rule too.
"""


@dataclass(frozen=True)
class Rule:
    """The client-facing error for a violated CHECK constraint."""

    error: type[DomainError]
    field: str
    code: str
    detail: str


def rule_broken(error: CheckViolationError, given: Container[str]) -> DomainError | None:
    """Return the error for a violated CHECK constraint; None if no request should get so far.

    The error names the field only if the request gave it.
    """
    rule = _rules().get(error.constraint_name or "")
    if rule is None:
        return None
    if rule.field not in given:
        return rule.error(rule.detail)
    return rule.error.of_field(f"/{rule.field}", rule.code, rule.detail)


def taken_fields(error: UniqueViolationError) -> list[str]:
    """Name the fields whose values another row has."""
    return _fields()[error.constraint_name or ""]


def already_taken(error: UniqueViolationError) -> AlreadyTaken:
    """Return the error for a violated UNIQUE constraint."""
    fields = taken_fields(error)
    named = " and ".join(field.replace("_", " ") for field in fields)
    detail = f"This {named} is already taken."
    errors = [FieldError(pointer=f"/{field}", code="taken", detail=detail) for field in fields]
    return AlreadyTaken(detail, errors)


def reference_missing(error: ForeignKeyViolationError) -> ReferenceMissing:
    """Return the error for a foreign key to a row that is not there."""
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
def _rules() -> dict[str, Rule]:
    """Map the name of each constraint that requests may break to its rule."""
    return {
        name: rule
        for table in SQLModel.metadata.tables.values()
        for name, rule in table.info.get(RULES, {}).items()
    }
