"""CSV files as people make them: checked as a whole, then read row by row."""

import csv
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import BinaryIO, NamedTuple

from app.core.errors import Invalid, MalformedBody

LONGEST_LINE = 2**20
"""In bytes. A file with a longer line is no table of rows, and would not fit into memory."""
LONGEST_ROW = 100_000
"""In characters. A longer row has a quotation mark that nothing closes."""


class CSVRow(NamedTuple):
    """A row of a file; ``problem`` tells why its cells could not be told apart."""

    line: int
    """The line that it begins on, from 1."""
    cells: list[str]
    problem: str = ""


def check_text(file: BinaryIO) -> None:
    """Read a file through, and go back to its beginning.

    Raise ``MalformedBody`` if it is not UTF-8, and ``Invalid`` if it is empty or has a line that
    is longer than ``LONGEST_LINE``.
    """
    if file.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
        raise MalformedBody("The file is UTF-16, not UTF-8. Save it as CSV in UTF-8.")
    file.seek(0)
    number = 0
    for number, line in enumerate(_lines_of(file), 1):
        if len(line) > LONGEST_LINE:
            raise Invalid(f"Line {number} is longer than 1 MiB: this is no CSV file of rows.")
        try:
            line.decode()
        except UnicodeDecodeError:
            raise MalformedBody(
                f"Line {number} is not UTF-8. Save the file as CSV in UTF-8."
            ) from None
    if not number:
        raise Invalid("The file is empty.")
    file.seek(0)


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, however they end; one that is far too long comes in pieces."""
    begun = b""
    while piece := file.read(LONGEST_LINE):
        if piece.endswith(b"\r"):
            piece += file.read(1)  # perhaps the other half of the line's end
        *lines, begun = re.split(rb"\r\n|\r|\n", begun + piece)
        yield from lines
        if len(begun) > LONGEST_LINE:
            yield begun
            begun = b""
    if begun:
        yield begun


def read_rows(file: BinaryIO) -> Iterator[CSVRow]:
    """Yield the rows of a file that ``check_text`` found good, its header first.

    Rows with nothing in their cells are left out. A row that is no CSV (RFC 4180) has one cell,
    its first line; reading goes on with the line after that.
    """
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    lines = _Lines(text)
    reader = csv.reader(lines, strict=True)
    try:
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
                yield CSVRow(lines.first, cells)
    finally:
        if not file.closed:
            text.detach()  # or the file would be closed with it


class _RowTooLong(Exception):
    pass


class _Lines:
    """The lines of a text, numbered from 1; those of a row can be given back and read again."""

    def __init__(self, text: TextIOWrapper) -> None:
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
            # A row that failed went over this one. It has to end on its line, for otherwise
            # each line could be read again as often as a row is long.
            raise _RowTooLong
        line = self._again.pop() if self._again else self._text.readline()
        if not line:
            raise StopIteration
        self._row.append(line)
        self._length += len(line)
        if self._length > LONGEST_ROW:
            raise _RowTooLong
        return line

    def begin_row(self) -> None:
        """Let the next line be the first of a row."""
        self.first += len(self._row)
        self._row = []
        self._length = 0

    def broken_row(self) -> CSVRow:
        """Make a row of its first line, and give back the others."""
        first, *others = self._row
        self._tried = max(self._tried, self.first + len(self._row))
        self._again += reversed(others)
        self._row = [first]
        why = (
            "too long" if len(first) > LONGEST_ROW else "no CSV: is a quotation mark out of place?"
        )
        return CSVRow(self.first, [first.rstrip("\r\n")], f"the row is {why}")
