"""A tolerant reader of CSV files, row by row."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from app.core.csv.dialect import SEPARATORS, Dialect, Encoding, checked_dialect, text_lines
from app.core.errors import Invalid

LONGEST_ROW = 100_000
"""In characters. A longer row is assumed to have an unclosed quotation mark."""


MOST_BLANK_LINES = 1000
"""How many blank lines can be before the header, and are skipped without a pause after it."""
_BLANK_LINE = re.compile(r'[\s,;"]*[\r\n]')  # no match at the end of the file


class CSVRow(NamedTuple):
    """A row of a file; ``problem`` says why the row could not be split into cells."""

    line: int
    """The line on which the row begins, from 1."""
    cells: list[str]
    problem: str = ""


def read_dialect(
    file: BinaryIO, is_title: Callable[[str], bool], encoding: Encoding | None = None
) -> Dialect:
    """Check the whole text of a file, and return its dialect; ``checked_dialect`` has the errors.

    If the first line does not name the separator, the header tells it: it is the separator that
    gives most titles for which ``is_title`` returns true, and then most titles.
    """
    dialect = checked_dialect(file, encoding)
    if dialect.separator_line:
        return dialect
    _check_start(file, dialect)

    def titles(separator: str) -> tuple[int, int]:
        header = next(read_rows(file, replace(dialect, separator=separator)), CSVRow(1, []))
        return sum(map(is_title, header.cells)), len(header.cells)

    return replace(dialect, separator=max(SEPARATORS, key=titles))


def _check_start(file: BinaryIO, dialect: Dialect) -> None:
    """Raise ``Invalid`` if many lines are before the header, which each separator would read."""
    lines = text_lines(file, dialect.encoding, dialect.mark)
    if all(_BLANK_LINE.fullmatch(next(lines, "")) for _ in range(MOST_BLANK_LINES + 1)):
        raise Invalid(
            f"The first {MOST_BLANK_LINES} lines are blank: delete them, so that the file"
            " begins with the names of the columns."
        )


def read_rows(file: BinaryIO, dialect: Dialect) -> Iterator[CSVRow]:
    """Yield the rows of a file, the header first, if ``read_dialect`` accepts it.

    Rows with only blank cells are skipped. Where more than ``MOST_BLANK_LINES`` follow each other,
    a row without cells is yielded now and then, so that the caller can pause. A row that is not
    valid CSV (RFC 4180) has one cell, its first line, and reading continues with the next line.
    """
    lines = _Lines(text_lines(file, dialect.encoding, dialect.mark))
    reader = csv.reader(lines, delimiter=dialect.separator, strict=True)
    if dialect.separator_line:
        next(lines)
    blank = 0
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RowTooLong):
            yield lines.broken_row()
            continue
        if any(map(str.strip, cells)):
            blank = 0
            yield CSVRow(lines.first, cells)
        elif (blank := blank + 1) > MOST_BLANK_LINES:
            blank = 0
            yield CSVRow(lines.first, [])


class _RowTooLong(Exception):
    pass


class _Lines:
    """The lines of a text, numbered from 1; the lines of a row can be put back and read again."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._again: list[str] = []
        self._row: list[str] = []
        self._length = 0
        self._tried = 0
        self.first = 1
        """The line on which the row begins."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._row and self.first < self._tried:
            # A broken row has read past this line. So this row must end on its first line:
            # otherwise each line could be read again once for every line of a long row.
            raise _RowTooLong
        line = self._again.pop() if self._again else next(self._text)
        self._row.append(line)
        self._length += len(line)
        if self._length > LONGEST_ROW:
            raise _RowTooLong
        return line

    def begin_row(self) -> None:
        """Begin a row with the next line."""
        self.first += len(self._row)
        self._row = []
        self._length = 0

    def broken_row(self) -> CSVRow:
        """Return the first line as a broken row, and put back the other lines."""
        first, *others = self._row
        self._tried = max(self._tried, self.first + len(self._row))
        self._again += reversed(others)
        self._row = [first]
        why = (
            "too long"
            if len(first) > LONGEST_ROW
            else "not valid CSV: is a quotation mark out of place?"
        )
        return CSVRow(self.first, [first.rstrip("\r\n")], f"the row is {why}")
