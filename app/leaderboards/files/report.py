"""The result of an import into a competition: counts and rejected rows."""

from dataclasses import dataclass, field

from pydantic import Field

from app.core.csv.report import REPORTED_ROWS, RejectedRow, RowCounts, RowsOutcome, reported


class Counts(RowCounts):
    """How many rows were read, and what was created for them."""

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


@dataclass(slots=True)
class Outcome(RowsOutcome[Counts]):
    """The result for some rows."""

    counts: Counts = field(default_factory=Counts)


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
        self.rejections += reported(self.rejections, outcome)
