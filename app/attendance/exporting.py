"""The attendance of a centre as a CSV file for spreadsheets."""

import csv
from collections.abc import AsyncIterator, Iterable, Sequence
from io import StringIO
from typing import Any

from app.attendance.models import Rows
from app.attendance.queries import COLUMNS

ROWS_AT_ONCE = 1000
_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001 - a spreadsheet may read wide signs as narrow ones


async def as_csv(kind: Rows, rows: Sequence[Iterable[Any]]) -> AsyncIterator[bytes]:
    """Yield rows as CSV in UTF-8, in pieces of ``ROWS_AT_ONCE``; the first has the header too.

    A spreadsheet would compute a text that begins like a formula, so an apostrophe goes before it.
    (Exports that can be imported again have no such mark, because it would change the names.)
    """
    head: list[Iterable[Any]] = [COLUMNS[kind]]
    for begin in range(0, max(len(rows), 1), ROWS_AT_ONCE):
        piece = StringIO()
        some = rows[begin : begin + ROWS_AT_ONCE]
        csv.writer(piece).writerows([*head, *(map(_cell, row) for row in some)])
        yield piece.getvalue().encode()
        head = []


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
