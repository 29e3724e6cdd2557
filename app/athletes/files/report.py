"""The result of an import of athletes: counts and rejected rows."""

from dataclasses import dataclass, field

from pydantic import Field

from app.core.csv.report import REPORTED_ROWS, RejectedRow, RowCounts, RowsOutcome, reported


class Counts(RowCounts):
    """How many rows were read: they were created, updated, left unchanged or rejected."""

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


@dataclass(slots=True)
class Outcome(RowsOutcome[Counts]):
    """The result for some rows."""

    counts: Counts = field(default_factory=Counts)


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
        self.rejections += reported(self.rejections, outcome)
