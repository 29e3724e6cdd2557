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
"""Key in a table's ``info`` of its rules, by the full names of the constraints.

Only constraints that requests may violate: ``{"info": {RULES: {"ck_trainings_taken": Rule(…)}}}``.
A trigger may also report a violation under the name of a rule.
"""


@dataclass(frozen=True)
class Rule:
    """The client-facing error for a violated CHECK constraint."""

    error: type[DomainError]
    field: str
    code: str
    detail: str


def rule_broken(error: CheckViolationError, given: Container[str]) -> DomainError | None:
    """Return the error for a violated CHECK constraint; None if the constraint has no rule.

    No request should violate a constraint without a rule. The error points at the field only if
    the request has it.
    """
    rule = _rules().get(error.constraint_name or "")
    if rule is None:
        return None
    if rule.field not in given:
        return rule.error(rule.detail)
    return rule.error.of_field(f"/{rule.field}", rule.code, rule.detail)


def taken_fields(error: UniqueViolationError) -> list[str]:
    """Name the fields whose values another row already has."""
    return _fields()[error.constraint_name or ""]


def already_taken(error: UniqueViolationError) -> AlreadyTaken:
    """Return the error for a violated UNIQUE constraint."""
    fields = taken_fields(error)
    named = " and ".join(field.replace("_", " ") for field in fields)
    detail = f"This {named} is already taken."
    errors = [FieldError(pointer=f"/{field}", code="taken", detail=detail) for field in fields]
    return AlreadyTaken(detail, errors)


def reference_missing(error: ForeignKeyViolationError) -> ReferenceMissing:
    """Return the error for a foreign key to a row that does not exist."""
    (field,) = _fields()[error.constraint_name or ""]
    noun = re.sub("_ids?$", "", field).replace("_", " ")
    return ReferenceMissing.of_field(f"/{field}", "missing", f"There is no such {noun}.")


@cache
def _fields() -> dict[str, list[str]]:
    """Map each primary, unique and foreign key, and unique index to the fields of its columns."""
    tables = SQLModel.metadata.tables.values()
    constraints = (constraint for table in tables for constraint in table.constraints)
    keys = [
        constraint
        for constraint in constraints
        if isinstance(
            constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint | sa.ForeignKeyConstraint
        )
    ]
    unique = [index for table in tables for index in table.indexes if index.unique]
    return {
        str(key.name): [source_of(column) for column in key.columns] for key in [*keys, *unique]
    }


@cache
def _rules() -> dict[str, Rule]:
    """Map the name of each constraint that has a rule to that rule."""
    return {
        name: rule
        for table in SQLModel.metadata.tables.values()
        for name, rule in table.info.get(RULES, {}).items()
    }
