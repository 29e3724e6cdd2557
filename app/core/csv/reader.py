"""A tolerant reader of CSV files: the text is checked as a whole, then read row by row."""

import csv
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import BinaryIO, NamedTuple

from app.core.errors import Invalid, MalformedBody

LONGEST_LINE = 2**20
"""In bytes. A file with a longer line is not CSV, and would take too much memory."""
LONGEST_ROW = 100_000
"""In characters. A longer row is assumed to have an unclosed quotation mark."""


class CSVRow(NamedTuple):
    """A row of a file; ``problem`` says why the row could not be split into cells."""

    line: int
    """The line on which the row begins, from 1."""
    cells: list[str]
    problem: str = ""


def check_text(file: BinaryIO) -> None:
    """Check the whole text of a file, and seek back to its beginning.

    Raise ``MalformedBody`` if it is not UTF-8, and ``Invalid`` if it is empty or has a line that
    is longer than ``LONGEST_LINE``.
    """
    if file.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
        raise MalformedBody("The file is UTF-16, not UTF-8. Save it as CSV in UTF-8.")
    file.seek(0)
    number = 0
    for number, line in enumerate(_lines_of(file), 1):
        if len(line) > LONGEST_LINE:
            raise Invalid(f"Line {number} is longer than 1 MiB: this is not a CSV file of rows.")
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
    """Yield the lines of a file, with any line ending; a line that is too long comes in pieces."""
    begun = b""
    while piece := file.read(LONGEST_LINE):
        if piece.endswith(b"\r"):
            piece += file.read(1)  # it may be the LF of a CRLF
        *lines, begun = re.split(rb"\r\n|\r|\n", begun + piece)
        yield from lines
        if len(begun) > LONGEST_LINE:
            yield begun
            begun = b""
    if begun:
        yield begun


def read_rows(file: BinaryIO) -> Iterator[CSVRow]:
    """Yield the rows of a file that ``check_text`` accepted, the header first.

    Rows with only blank cells are skipped. A row that is not valid CSV (RFC 4180) has one cell,
    its first line, and reading continues with the next line.
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
            text.detach()  # otherwise the wrapper would close the file


class _RowTooLong(Exception):
    pass


class _Lines:
    """The lines of a text, numbered from 1; the lines of a row can be put back and read again."""

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
            # A broken row has read past this line. So this row must end on its first line:
            # otherwise each line could be read again once for every line of a long row.
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
