"""The result of an import: counts and rejected rows."""

from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from app.core.csv.reader import CSVRow

REPORTED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not stored, and why."""

    row: CSVRow
    reason: str


class Counts(BaseModel):
    """How many rows were read: they were created, updated, left unchanged or rejected."""

    model_config = {"json_schema_serialization_defaults_required": True}

    read: int = Field(default=0, examples=[12553])
    created: int = Field(default=0, examples=[12480])
    updated: int = Field(default=0, examples=[0])
    unchanged: int = Field(default=0, examples=[0])
    rejected: int = Field(default=0, examples=[73])
    without_key: int = Field(
        default=0,
        description="Created without `id` and `reference`; another import creates them again.",
        examples=[0],
    )
    new_categories: int = Field(default=0, examples=[2])
    new_centres: int = Field(default=0, examples=[4538])

    def add(self, other: "Counts") -> None:
        """Add the counts of more rows."""
        for name in Counts.model_fields:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Outcome:
    """The result for some rows."""

    counts: Counts = field(default_factory=Counts)
    rejections: list[Rejection] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Add the result for more rows."""
        self.counts.add(other.counts)
        self.rejections += other.rejections

    def reject(self, *rejections: Rejection) -> None:
        """Add rows that were read and are not stored."""
        self.counts.add(Counts(read=len(rejections), rejected=len(rejections)))
        self.rejections += rejections


class RejectedRow(BaseModel):
    """A row that is not stored."""

    line: int = Field(description="The line where the row begins, from 1.", examples=[250])
    reason: str = Field(
        description="What is wrong with the row.",
        examples=["height is 1295.4 cm, and should be at most 300 cm"],
    )


class ImportReport(Counts):
    """The result of an import: read = created + updated + unchanged + rejected."""

    ignored_columns: list[str] = Field(default=[], examples=[["country"]])
    suggested_map: list[str] = Field(
        default=[],
        description="Values of `map` for ignored columns whose titles look like known ones.",
        examples=[["email=E-Mail"]],
    )
    missing_columns: list[str] = Field(
        default=[],
        description="Columns that a new athlete needs and the file does not have; empty as soon as"
        " a row is stored, because such a file can still change athletes.",
        examples=[[]],
    )
    rejections: list[RejectedRow] = Field(
        default=[],
        description=f"The first {REPORTED_ROWS} rejected rows.",
        examples=[[{"line": 250, "reason": "height is 1295.4 cm, and should be at most 300 cm"}]],
    )

    def take(self, outcome: Outcome) -> None:
        """Add the result for more rows to the report."""
        self.add(outcome.counts)
        if self.rejected < self.read:
            self.missing_columns = []
        for rejection in outcome.rejections[: REPORTED_ROWS - len(self.rejections)]:
            reported = RejectedRow(line=rejection.row.line, reason=rejection.reason)
            self.rejections.append(reported)
