"""The columns of a file: found by their titles, named by options, or with one value for all."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from unicodedata import category

from pydantic_core import PydanticCustomError

from app.athletes.files.measures import MEASURES, unit_of, with_unit
from app.athletes.files.options import ImportOptions, split_entry
from app.athletes.files.records import COLUMNS, SEPARATOR
from app.core.csv.dialect import SEPARATORS, Dialect
from app.core.csv.reader import CSVRow
from app.core.errors import Invalid
from app.core.resources.text import clean_text, name_key

NEEDED = ("name", "category")
"""The columns that a new athlete needs."""

NEVER_SUGGESTED = ("id", "national_id")
"""Columns that another one must not be taken for: ``Nationality`` is no national id."""

_USUAL_TITLES = {
    **dict.fromkeys(["dob", "dateofbirth", "birthday"], "birth_date"),
    **dict.fromkeys(["mail", "emailaddress", "e-mail", "e-mailaddress"], "email"),
    **dict.fromkeys(["memberid", "membernumber", "memberno", "clientid"], "reference"),
    **dict.fromkeys(["level", "division"], "category"),
    **dict.fromkeys(["gym", "box", "location"], "centres"),
    **dict.fromkeys(["fullname", "membername", "athlete"], "name"),
    "gender": "sex",
}
"""The columns that other programs call so, to be suggested."""

_FORMULA_OF_TEXT = re.compile(r'="((?:[^"]|"")*)"', re.DOTALL)
_PLUS = re.compile(r"\s+\+\s+")
_ALIKE = 0.75
"""How similar a title must be to a known one to be suggested, from 0 to 1."""
_MOST_COMPARED, _LONGEST_COMPARED = 100, 30
_MOST_JOINED = 10
"""How many titles an option can join."""


def plain_cell(cell: str) -> str:
    """Return the text of a cell: ``="00042"``, which keeps zeros in a spreadsheet, is ``00042``."""
    if '="' in cell and (text := _FORMULA_OF_TEXT.fullmatch(cell.strip())):
        return text[1].replace('""', '"')
    return cell


def title_key(title: str) -> str:
    """Return the key for comparing titles: ``Birth Date`` and ``birth_date`` are one title."""
    try:
        cleaned = str(clean_text(plain_cell(title)))
    except PydanticCustomError:
        return title
    return name_key(cleaned).strip('"').replace("_", "").replace(" ", "")


_COLUMN_OF = {title_key(column): column for column in COLUMNS}


class Columns:
    """Which cells of a row are in which column; raises ``Invalid`` if the header has no columns."""

    def __init__(self, header: CSVRow, dialect: Dialect, options: ImportOptions) -> None:
        keys = [title_key(title) for title in header.cells]
        while keys and not keys[-1]:
            keys.pop()
        self.header = header.cells[: len(keys)]
        """The titles, without untitled columns at the end."""
        self._separator = SEPARATORS[dialect.separator]
        self._given = _by_column("?set", options.given)
        mapped = _mapped(keys, options)
        if both := sorted(mapped.keys() & self._given):
            raise _wrong("?set", f"{both[0]} is in both map and set: give it once.")
        taken = {place for several in mapped.values() for place in several}
        # A title that is mapped is no longer that of its own column: ``reference=ID``.
        by_title = [
            "" if place in taken else _COLUMN_OF.get(key, "") for place, key in enumerate(keys)
        ]
        titled = {
            column: [place]
            for place, column in enumerate(by_title)
            if column and column not in mapped and column not in self._given
        }
        if header.problem or not (titled or mapped):
            raise Invalid(
                f"The first row must name the columns: {', '.join(COLUMNS)}, or some of them."
                f"{_hint(header, keys)}"
            )
        if twice := [column for column in titled if by_title.count(column) > 1]:
            raise Invalid(f"The first row repeats a column: {', '.join(twice)}.")
        places = titled | mapped
        self._single = [(column, first) for column, (first, *more) in places.items() if not more]
        self._joined = [(column, several) for column, several in places.items() if several[1:]]
        self._units = {
            column: unit
            for column, (place, *_) in places.items()
            if column in MEASURES and (unit := unit_of(keys[place]))
        }
        """The units in titles, such as ``Height (in)``: those of numbers without a unit."""
        self.names = frozenset(places) | frozenset(self._given)
        self.missing = [column for column in NEEDED if column not in self.names]
        """The columns that a new athlete needs and this file does not have."""
        used = {place for several in places.values() for place in several}
        unused: dict[str, str] = {}
        for place, key in enumerate(keys):
            if key and place not in used:
                unused.setdefault(key, _shown(self.header[place]))
        self.ignored = list(unused.values())
        """The titles of the other columns, each once."""
        self.suggested = self._suggested(unused)
        """Options that map titles which look like those of columns: ``email=E-Mail``."""

    def cells_of(self, row: CSVRow) -> dict[str, str]:
        """Return the cells of a row by column; raise ``ValueError`` if it has too many cells."""
        cells, width = row.cells, len(self.header)
        if len(cells) > width and any(map(str.strip, cells[width:])):
            raise ValueError(
                f"the row has {len(cells)} cells, but the header has {width}: is there an extra"
                f" {self._separator}, or a quotation mark missing?"
            )
        there = len(cells)  # spreadsheets leave out empty cells at the end
        found = {
            column: plain_cell(cells[place]) if place < there else ""
            for column, place in self._single
        }
        for column, places in self._joined:
            parts = (plain_cell(cells[place]).strip() for place in places if place < there)
            found[column] = (SEPARATOR if column == "centres" else " ").join(filter(None, parts))
        for column, unit in self._units.items():
            found[column] = with_unit(found[column], unit)
        return found | self._given

    def _suggested(self, unused: Mapping[str, str]) -> list[str]:
        absent = {
            key: column
            for key, column in (_COLUMN_OF | _USUAL_TITLES).items()
            if column not in self.names and column not in NEVER_SUGGESTED
        }
        found: dict[str, str] = {}
        for key, title in list(unused.items())[:_MOST_COMPARED]:
            # A title that is not shown as it is cannot be mapped.
            if title_key(title) == key and (alike := _alike(key, list(absent))):
                found.setdefault(absent[alike], title)
        return [f"{column}={title}" for column, title in found.items()]


def known_titles(options: ImportOptions) -> frozenset[str]:
    """Return the keys of the titles of columns, and of those that the options map."""
    texts = [text for _, _, text in map(split_entry, options.mapped)]
    mapped = (title_key(title) for text in texts for title in (text, *_PLUS.split(text)))
    return frozenset(_COLUMN_OF).union(mapped)


def _alike(key: str, known: Sequence[str]) -> str:
    if len(key) > _LONGEST_COMPARED:
        return ""
    return next(iter(get_close_matches(key, known, 1, _ALIKE)), "")


def _shown(title: str) -> str:
    """Return a title with spaces for control characters, which may be commands to a terminal."""
    plain = (" " if category(character) in {"Cc", "Cs"} else character for character in title)
    return str(clean_text("".join(plain)))


def _wrong(option: str, detail: str) -> Invalid:
    return Invalid.of_field(option, "option", detail)


def _by_column(option: str, entries: Sequence[str]) -> dict[str, str]:
    """Split entries such as ``category=Open``; raise ``Invalid`` if two are for one column."""
    split = [split_entry(entry) for entry in entries]
    for column, times in Counter(column for column, _, _ in split).items():
        if times > 1:
            raise _wrong(option, f"{column} is given {times} times: give it once.")
    return {column: text for column, _, text in split}


def _mapped(keys: Sequence[str], options: ImportOptions) -> dict[str, list[int]]:
    """Return the places of the cells for each mapped column."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        if key:
            places.setdefault(key, []).append(place)
    mapped = {}
    for column, text in _by_column("?map", options.mapped).items():
        # A title may have a plus itself.
        wanted = [text] if title_key(text) in places else _PLUS.split(text)
        if len(wanted) > _MOST_JOINED:
            joined = f"{column} is joined from {len(wanted)} titles: give at most {_MOST_JOINED}."
            raise _wrong("?map", joined)
        found = [places.get(title_key(title), []) for title in wanted]
        for number, there in enumerate(found, 1):
            if len(there) != 1:
                raise _wrong("?map", _not_once(column, number, len(found), bool(there)))
        mapped[column] = [place for (place,) in found]
    return mapped


def _not_once(column: str, number: int, of: int, several: bool) -> str:
    """Say that a mapped title is not in the file once, without repeating it."""
    which = "the title" if of == 1 else f"title {number}"
    if several:
        return f"The first row has {which} that is mapped to {column} more than once: rename one."
    return (
        f"The first row does not have {which} that is mapped to {column}. Several titles are"
        " joined by a plus between spaces; in a URL, a plus is %2B."
    )


def _hint(header: CSVRow, keys: Sequence[str]) -> str:
    """Say what to do about a header that has no known title, without repeating it."""
    if any("\0" in title for title in header.cells):
        return " If the file is UTF-16, name its encoding: utf-16-le or utf-16-be."
    alike = {_alike(key, list(_COLUMN_OF)) for key in keys[:_MOST_COMPARED]} - {""}
    like = ", ".join(_COLUMN_OF[key] for key in sorted(alike))
    looks = f" Some look like {like}." if like else ""
    return (
        f"{looks} Columns that are called otherwise can be mapped:"
        ' --map "name=First Name" (over HTTP ?map=).'
    )
