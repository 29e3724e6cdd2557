"""The columns of a file of a competition, found by their titles."""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from app.athletes.files.columns import plain_cell, title_key
from app.core.csv.dialect import SEPARATORS, Encoding
from app.core.csv.reader import CSVRow, read_dialect, read_rows
from app.core.errors import Invalid
from app.core.resources.text import clean_text


class Table:
    """A CSV file whose first row has the titles of some columns, in any order.

    ``titles`` has the title of each column. Raise ``MalformedBody`` if the encoding is another, and
    ``Invalid`` if the first row lacks a needed column, or has one twice.
    """

    def __init__(
        self,
        file: BinaryIO,
        titles: Mapping[str, str],
        needed: Sequence[str],
        encoding: Encoding | None = None,
    ) -> None:
        keys = {title_key(title): column for column, title in titles.items()}
        dialect = read_dialect(file, lambda title: title_key(title) in keys, encoding)
        self._rows = read_rows(file, dialect)
        self._separator = SEPARATORS[dialect.separator]
        header = next(self._rows, CSVRow(1, [])).cells
        while header and not header[-1].strip():
            header.pop()
        self._width = len(header)
        found = [keys.get(title_key(title)) for title in header]
        self._places = {column: place for place, column in enumerate(found) if column}
        self.names = frozenset(self._places)
        """The columns that the file has."""
        self.ignored = [
            str(clean_text(title))
            for title, column in zip(header, found, strict=True)
            if column is None and title.strip() and title.isprintable()
        ]
        """The titles of the other columns."""
        if absent := [titles[column] for column in needed if column not in self.names]:
            raise Invalid(
                f"The first row must name the columns; it lacks {' and '.join(absent)}."
                f" The columns are {', '.join(titles.values())}."
            )
        if twice := [titles[column] for column in self._places if found.count(column) > 1]:
            raise Invalid(f"The first row repeats a column: {', '.join(twice)}.")

    def rows(self) -> Iterator[CSVRow]:
        """Yield the rows after the first; can be called once. A blank row may have no cells."""
        return self._rows

    def cells_of(self, row: CSVRow) -> dict[str, str]:
        """Return the cells of a row that are not blank; raise ``ValueError`` with the reason."""
        if row.problem:
            raise ValueError(row.problem)
        cells = row.cells
        if len(cells) > self._width and any(map(str.strip, cells[self._width :])):
            raise ValueError(
                f"the row has {len(cells)} cells, but the header has {self._width}: is there an"
                f" extra {self._separator}, or a quotation mark missing?"
            )
        found = {}
        for column, place in self._places.items():
            if place < len(cells) and (cell := plain_cell(cells[place]).strip()):
                found[column] = cell
        return found
