"""Read a CSV file of athletes in batches of valid rows; other rows are rejected with a reason."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pydantic_core import PydanticCustomError

from app.athletes.files.records import COLUMNS, record_of
from app.athletes.files.report import Rejection
from app.athletes.models import Athlete
from app.core.csv.reader import CSVRow, check_text, read_rows
from app.core.db.schema import source_of, table_of, unique_columns
from app.core.db.statements import derived_columns
from app.core.errors import Invalid
from app.core.resources.text import clean_text

ROWS_IN_BATCH = 1000
"""Larger batches are not faster, and make other requests wait longer."""
CHARACTERS_IN_BATCH = 1_000_000
UNEVEN = "the row has "
"""The beginning of the reason if a row and the header have different numbers of cells."""

_UNIQUE: dict[str, Callable[[str], str]] = {"id": str.lower} | {
    source_of(column): column.info.get("derive", str)
    for column in unique_columns(table_of(Athlete))
}
"""The unique columns, and the function that makes two spellings of a value equal."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid row: the athlete's column values, and the names of the category and the centres."""

    row: CSVRow
    values: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """The reference and id that identify the athlete; both are empty if the row has neither."""
        return str(self.values.get("reference") or ""), str(self.values.get("id") or "")

    @property
    def has_key(self) -> bool:
        """Whether a second import of the file finds the same athlete."""
        return any(self.key)


@dataclass(slots=True)
class Batch:
    """Some rows of a file: the valid ones to store, and the rejected ones."""

    entries: list[Entry] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


class AthletesFile:
    """A CSV file of athletes, with its columns in any order.

    Raise ``MalformedBody`` if it is not UTF-8, and ``Invalid`` if it is no CSV file of athletes.
    """

    def __init__(self, file: BinaryIO) -> None:
        check_text(file)
        self._rows = read_rows(file)
        header = next(self._rows, CSVRow(1, []))
        self.header = header.cells
        self._columns = [title.strip().lower() for title in self.header]
        known = [column for column in self._columns if column in COLUMNS]
        if header.problem or not known:
            raise Invalid(
                "The first row must name the columns, separated by commas:"
                f" {', '.join(COLUMNS)}, or some of them.{_other_separator(self.header)}"
            )
        if twice := [column for column, times in Counter(known).items() if times > 1]:
            raise Invalid(f"The first row repeats a column: {', '.join(twice)}.")
        self.ignored = list(
            dict.fromkeys(
                title
                for title, column in zip(self.header, self._columns, strict=True)
                if column and column not in COLUMNS
            )
        )
        self._unique = {column: _UNIQUE[column] for column in _UNIQUE if column in known}
        self._earlier = _Earlier()

    def batches(self) -> Iterator[Batch]:
        """Read the rows in batches."""
        batch, rows, characters = Batch(), 0, 0
        for row in self._rows:
            try:
                batch.entries.append(self._entry(row))
            except ValueError as error:
                batch.rejections.append(Rejection(row, str(error)))
            rows += 1
            characters += sum(map(len, row.cells))
            if rows == ROWS_IN_BATCH or characters > CHARACTERS_IN_BATCH:
                yield batch
                batch, rows, characters = Batch(), 0, 0
        if rows:
            yield batch

    def _entry(self, row: CSVRow) -> Entry:
        """Convert a row to an entry; raise ``ValueError`` with the reason if it is invalid."""
        if row.problem:
            raise ValueError(row.problem)
        if len(row.cells) != len(self._columns):
            raise ValueError(
                f"{UNEVEN}{len(row.cells)} cells, but the header has {len(self._columns)}:"
                " is a cell missing, or is there an extra comma?"
            )
        row_cells = zip(self._columns, row.cells, strict=True)
        cells = {column: cell for column, cell in row_cells if column in COLUMNS}
        self._earlier.take(row.line, self._unique_values(cells))
        fields = record_of(cells).model_dump(exclude_unset=True)
        return Entry(row, {**fields, **derived_columns(table_of(Athlete), fields)})

    def _unique_values(self, cells: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the unique values of a row with their columns, even if the row is invalid."""
        values = []
        for column, derive in self._unique.items():
            with suppress(PydanticCustomError):
                if cell := clean_text(cells[column]):
                    values.append((column, derive(str(cell))))
        return values


def _other_separator(header: Sequence[str]) -> str:
    """Return a hint if something other than commas seems to separate the columns."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if any(separator in title for title in header):
            return f" This file uses {name} instead: save it with commas."
    return ""


class _Earlier:
    """The unique values of all rows so far: in a database on disk, as there may be millions."""

    def __init__(self) -> None:
        # An empty name makes the database temporary. Several threads use it, one at a time.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute(
            "CREATE TABLE earlier (name TEXT, value TEXT, line INTEGER,"
            " PRIMARY KEY (name, value)) WITHOUT ROWID"
        )
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("BEGIN")

    def take(self, line: int, values: Sequence[tuple[str, str]]) -> None:
        """Add the values of a row; if an earlier row has one, add none and raise ``ValueError``."""
        for number, (column, value) in enumerate(values):
            new = self._database.execute(
                "INSERT OR IGNORE INTO earlier VALUES (?, ?, ?)", (column, value, line)
            ).rowcount
            if not new:
                mine = "DELETE FROM earlier WHERE name = ? AND value = ?"
                self._database.executemany(mine, values[:number])
                (earlier,) = self._database.execute(
                    "SELECT line FROM earlier WHERE name = ? AND value = ?", (column, value)
                ).fetchone()
                raise ValueError(f"{column} is also on line {earlier}")
