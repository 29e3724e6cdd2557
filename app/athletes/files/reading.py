"""From a file to records, batch by batch; a row that cannot be one is rejected with a reason."""

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
"""More gain no speed, and keep others waiting for longer."""
CHARACTERS_IN_BATCH = 1_000_000
UNEVEN = "the row has "
"""What the reason begins with if a row has not as many cells as the header."""

_UNIQUE: dict[str, Callable[[str], str]] = {"id": str.lower} | {
    source_of(column): column.info.get("derive", str)
    for column in unique_columns(table_of(Athlete))
}
"""What no two athletes share, and how it is compared."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that is an athlete: the values of their columns, and the names of the others."""

    row: CSVRow
    values: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """What it is found by, which is nothing for an athlete without id and reference."""
        return str(self.values.get("reference") or ""), str(self.values.get("id") or "")

    @property
    def has_key(self) -> bool:
        """Whether it is found again when the file is imported again."""
        return any(self.key)


@dataclass(slots=True)
class Batch:
    """Some rows of a file: those to store, and those that no database needs to see."""

    entries: list[Entry] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


class AthletesFile:
    """A CSV file of athletes, with its columns in any order.

    Raise ``MalformedBody`` if it is not UTF-8, and ``Invalid`` if it is no such file.
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
                "The first row has to name columns, separated by commas:"
                f" {', '.join(COLUMNS)}, or some of them.{_other_separator(self.header)}"
            )
        if twice := [column for column, times in Counter(known).items() if times > 1]:
            raise Invalid(f"The first row names twice: {', '.join(twice)}.")
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
        """Read the rows, some at a time."""
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
        """Make an entry of a row; ``ValueError`` tells why it is none."""
        if row.problem:
            raise ValueError(row.problem)
        if len(row.cells) != len(self._columns):
            raise ValueError(
                f"{UNEVEN}{len(row.cells)} cells and the header {len(self._columns)}:"
                " is a part missing, or a comma too many?"
            )
        row_cells = zip(self._columns, row.cells, strict=True)
        cells = {column: cell for column, cell in row_cells if column in COLUMNS}
        self._earlier.take(row.line, self._unique_values(cells))
        fields = record_of(cells).model_dump(exclude_unset=True)
        return Entry(row, {**fields, **derived_columns(table_of(Athlete), fields)})

    def _unique_values(self, cells: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return what no other row may have, by column: also of a row that is no record."""
        values = []
        for column, derive in self._unique.items():
            with suppress(PydanticCustomError):
                if cell := clean_text(cells[column]):
                    values.append((column, derive(str(cell))))
        return values


def _other_separator(header: Sequence[str]) -> str:
    """Say what seems to separate the columns, if that is not commas."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if any(separator in title for title in header):
            return f" This file has {name} instead: save it with commas."
    return ""


class _Earlier:
    """The unique values of the rows so far, in a database on disk: they may be millions."""

    def __init__(self) -> None:
        # Its name is empty: it is temporary. Batches are read in one thread after another.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute(
            "CREATE TABLE earlier (name TEXT, value TEXT, line INTEGER,"
            " PRIMARY KEY (name, value)) WITHOUT ROWID"
        )
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("BEGIN")

    def take(self, line: int, values: Sequence[tuple[str, str]]) -> None:
        """Take the values of a row in; ``ValueError``, and none is, if an earlier row has one."""
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
