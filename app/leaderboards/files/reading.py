"""Read a file in the long format: a row for each athlete and event, in batches."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import BinaryIO

from app.athletes.files.reading import CENTRES_IN_BATCH, CHARACTERS_IN_BATCH, ROWS_IN_BATCH
from app.core.csv.dialect import Encoding
from app.core.csv.report import Rejection
from app.core.errors import Invalid
from app.leaderboards.files.columns import Table
from app.leaderboards.files.lines import COLUMNS, Line, line_of

MOST_ROWS = 250_000
"""Of a file: all rows are remembered, to find doubled ones. The largest real one has 62,511."""


@dataclass(slots=True)
class Batch:
    """Some rows of a file: the valid ones to store, and the rejected ones."""

    lines: list[Line] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


class LongFile:
    """A CSV file in the long format, with its columns in any order.

    Raise ``MalformedBody`` if its encoding is another, and ``Invalid`` if it has no such columns.
    """

    def __init__(self, file: BinaryIO, encoding: Encoding | None = None) -> None:
        self._table = Table(file, {column: column for column in COLUMNS}, (), encoding)
        self.ignored = self._table.ignored
        """The titles of columns that are not read."""
        if self._table.names.isdisjoint({"id", "reference"}):
            raise Invalid(
                f"The first row must name the columns: {', '.join(COLUMNS)}, or some of them."
                " Athletes are found by their reference or id."
            )

    def batches(self) -> Generator[Batch]:
        """Read the rows in batches, of which some may have no rows. Can be called once."""
        lines: dict[tuple[str, int], int] = {}
        batch, rows, characters, centres, read = Batch(), 0, 0, 0, 0
        for row in self._table.rows():
            if row.cells:
                rows += 1
                read += 1
                characters += sum(map(len, row.cells))
                try:
                    if read > MOST_ROWS:
                        raise ValueError(f"the file has more than {MOST_ROWS} rows: split it")
                    line = line_of(row, self._table.cells_of(row))
                    _refuse_doubled(line, lines)
                except ValueError as error:
                    batch.rejections.append(Rejection(row, str(error)))
                else:
                    batch.lines.append(line)
                    centres += len(line.athlete.get("centres", ()))
            if (
                not row.cells
                or rows >= ROWS_IN_BATCH
                or characters >= CHARACTERS_IN_BATCH
                or centres >= CENTRES_IN_BATCH
            ):
                yield batch
                batch, rows, characters, centres = Batch(), 0, 0, 0
        yield batch


def _refuse_doubled(line: Line, lines: dict[tuple[str, int], int]) -> None:
    """Raise ``ValueError`` if an earlier row has the same athlete and event."""
    if not line.has_result:
        return
    assert line.event is not None
    key = str(line.athlete.get("reference") or line.athlete["id"]), line.event
    if earlier := lines.get(key):
        raise ValueError(f"this athlete's event {line.event} is also on line {earlier}")
    lines[key] = line.row.line
