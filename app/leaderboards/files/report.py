"""The result of an import into a competition: counts and rejected rows."""

from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from app.athletes.files.report import REPORTED_ROWS, RejectedRow, Rejection


class Counts(BaseModel):
    """How many rows were read, and what was created for them."""

    model_config = {"json_schema_serialization_defaults_required": True}

    read: int = Field(default=0, examples=[360])
    created: int = Field(
        default=0, description="Rows with a new result, or a new entry.", examples=[356]
    )
    updated: int = Field(
        default=0, description="Rows that changed a result or an entry.", examples=[0]
    )
    unchanged: int = Field(default=0, examples=[3])
    rejected: int = Field(default=0, examples=[1])
    new_entries: int = Field(default=0, examples=[60])
    new_athletes: int = Field(default=0, examples=[60])
    new_categories: int = Field(default=0, examples=[2])
    new_centres: int = Field(default=0, examples=[41])

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


class CompetitionReport(Counts):
    """The result of an import: read = created + updated + unchanged + rejected."""

    ignored_columns: list[str] = Field(default=[], examples=[["country"]])
    rejections: list[RejectedRow] = Field(
        default=[],
        description=f"The first {REPORTED_ROWS} rejected rows.",
        examples=[[{"line": 250, "reason": "there is no event 9 in this competition"}]],
    )

    def take(self, outcome: Outcome) -> None:
        """Add the result for more rows to the report."""
        self.add(outcome.counts)
        for rejection in outcome.rejections[: REPORTED_ROWS - len(self.rejections)]:
            reported = RejectedRow(line=rejection.row.line, reason=rejection.reason)
            self.rejections.append(reported)
