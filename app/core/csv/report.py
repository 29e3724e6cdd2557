"""The result of an import: counts of rows, and the rows that are rejected."""

from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, Field

from app.core.csv.reader import CSVRow

REPORTED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not stored, and why."""

    row: CSVRow
    reason: str


class RowCounts(BaseModel):
    """The base of counts: how many rows were read, and what became of them."""

    model_config = {"json_schema_serialization_defaults_required": True}

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0

    def add(self, other: "RowCounts") -> None:
        """Add the counts of more rows."""
        for name in type(other).model_fields:
            setattr(self, name, getattr(self, name) + getattr(other, name))


Counts = TypeVar("Counts", bound=RowCounts)


@dataclass(slots=True)
class RowsOutcome(Generic[Counts]):
    """The base of results for some rows."""

    counts: Counts
    rejections: list[Rejection] = field(default_factory=list)

    def add(self, other: Self) -> None:
        """Add the result for more rows."""
        self.counts.add(other.counts)
        self.rejections += other.rejections

    def reject(self, *rejections: Rejection) -> None:
        """Add rows that were read and are not stored."""
        self.counts.add(RowCounts(read=len(rejections), rejected=len(rejections)))
        self.rejections += rejections


class RejectedRow(BaseModel):
    """A row that is not stored."""

    line: int = Field(description="The line where the row begins, from 1.", examples=[250])
    reason: str = Field(
        description="What is wrong with the row.",
        examples=["height is 1295.4 cm, and should be at most 300 cm"],
    )


def reported(report: list[RejectedRow], outcome: RowsOutcome[Any]) -> list[RejectedRow]:
    """Return the rejected rows of an outcome for which a report has room."""
    return [
        RejectedRow(line=rejection.row.line, reason=rejection.reason)
        for rejection in outcome.rejections[: REPORTED_ROWS - len(report)]
    ]
