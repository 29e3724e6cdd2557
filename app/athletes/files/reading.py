"""Read a CSV file of athletes in batches of valid rows; other rows are rejected with a reason."""

import errno
import os
import sqlite3
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from operator import ge
from typing import Any, BinaryIO

from pydantic_core import PydanticCustomError

from app.athletes.files.columns import Columns, known_titles, title_key
from app.athletes.files.options import ImportOptions
from app.athletes.files.records import UNIQUE, record_of, taken_reason
from app.athletes.models import Athlete
from app.core.csv.reader import CSVRow, read_dialect, read_rows
from app.core.csv.report import Rejection
from app.core.db.schema import table_of
from app.core.db.statements import derived_columns
from app.core.resources.text import clean_text

ROWS_IN_BATCH = 1000
"""Larger batches are not faster, and make other requests wait longer."""
CHARACTERS_IN_BATCH = 1_000_000
CENTRES_IN_BATCH = 2_000
"""Names, which are found or created; ordinary files have few for each row."""
LINES_IN_BATCH = 20_000
"""Including blank lines: an import can end before any batch, so no batch may take long to read."""

SCRATCH_PER_BYTE = 4
"""The maximum size of the temporary database for a file: this times the size of the file.

Files of members need at most 2, and files of only short unique values need 3 (2026-11-27).
"""
_PAGE = 4096
_COLUMNS = list(UNIQUE)
_PLACES = {column: place for place, column in enumerate(_COLUMNS)}


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

    Raise ``MalformedBody`` if its encoding is another, and ``Invalid`` if it is no CSV file of
    athletes, or does not have the columns that the options map.
    """

    def __init__(self, file: BinaryIO, options: ImportOptions | None = None) -> None:
        self._length = file.seek(0, os.SEEK_END)
        options = options or ImportOptions()
        titles = known_titles(options)
        self.dialect = read_dialect(
            file, lambda title: title_key(title) in titles, options.encoding
        )
        self._rows = read_rows(file, self.dialect)
        self.columns = Columns(next(self._rows, CSVRow(1, [])), self.dialect, options)
        self._dates = options.dates
        self._unique = {column: UNIQUE[column] for column in UNIQUE if column in self.columns.names}
        self._most = ROWS_IN_BATCH, CHARACTERS_IN_BATCH, CENTRES_IN_BATCH, LINES_IN_BATCH

    def read_in_one_batch(self) -> None:
        """Read all rows in one batch, which needs memory for all of them."""
        self._most = (sys.maxsize,) * 4

    def batches(self) -> Generator[Batch]:
        """Read the rows in batches, of which some may have no rows. Can be called once.

        Close the generator, unless it is exhausted: it has a temporary database on disk.
        """
        with closing(_Earlier(self._length)) as earlier:
            batch, rows, characters, centres, begin = Batch(), 0, 0, 0, 0
            for row in self._rows:
                if row.cells:
                    rows += 1
                    characters += sum(map(len, row.cells))
                    try:
                        entry = self._entry(row, earlier)
                    except ValueError as error:
                        batch.rejections.append(Rejection(row, str(error)))
                    else:
                        batch.entries.append(entry)
                        centres += len(entry.values.get("centres", ()))
                read = rows, characters, centres, row.line - begin
                if any(map(ge, read, self._most)):
                    yield batch
                    batch, rows, characters, centres, begin = Batch(), 0, 0, 0, row.line
            if rows:
                yield batch

    def _entry(self, row: CSVRow, earlier: "_Earlier") -> Entry:
        """Convert a row to an entry; raise ``ValueError`` with the reason if it is invalid."""
        if row.problem:
            raise ValueError(row.problem)
        cells = self.columns.cells_of(row)
        earlier.take(row.line, self._unique_values(cells))
        fields = record_of(cells, self._dates).model_dump(exclude_unset=True)
        return Entry(row, {**fields, **derived_columns(table_of(Athlete), fields)})

    def _unique_values(self, cells: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the unique values of a row with their columns, even if the row is invalid."""
        values = []
        for column, derive in self._unique.items():
            with suppress(PydanticCustomError):
                if cell := clean_text(cells[column]):
                    values.append((column, derive(str(cell))))
        return values


class _Earlier:
    """The unique values of all rows so far: in a database on disk, as there may be millions."""

    def __init__(self, length: int) -> None:
        """Open the database for a file of this length in bytes."""
        # An empty name makes the database temporary. Several threads use it, one at a time.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute(f"PRAGMA page_size = {_PAGE}")
        pages = SCRATCH_PER_BYTE * length // _PAGE + 16  # a table takes some pages
        self._database.execute(f"PRAGMA max_page_count = {pages}")
        # A number for the column, and the value itself. A hash of both would take more space than
        # most values, and more time.
        self._database.execute(
            "CREATE TABLE earlier (place INTEGER, value TEXT, line INTEGER,"
            " PRIMARY KEY (place, value)) WITHOUT ROWID"
        )
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Delete the database."""
        self._database.close()

    def take(self, line: int, values: Sequence[tuple[str, str]]) -> None:
        """Add the values of a row; if an earlier row has one, add none and raise ``ValueError``.

        Raise ``OSError`` if the disk is full, or the database has its maximum size.
        """
        try:
            self._take(line, [(_PLACES[column], value) for column, value in values])
        except sqlite3.OperationalError as error:
            raise OSError(errno.ENOSPC, f"cannot store the values of a file: {error}") from None

    def _take(self, line: int, values: Sequence[tuple[int, str]]) -> None:
        for number, (place, value) in enumerate(values):
            new = self._database.execute(
                "INSERT OR IGNORE INTO earlier VALUES (?, ?, ?)", (place, value, line)
            ).rowcount
            if not new:
                mine = "DELETE FROM earlier WHERE place = ? AND value = ?"
                self._database.executemany(mine, values[:number])
                (earlier,) = self._database.execute(
                    "SELECT line FROM earlier WHERE place = ? AND value = ?", (place, value)
                ).fetchone()
                raise ValueError(taken_reason([_COLUMNS[place]], f"also on line {earlier}"))
