"""The file of athletes: its rows, and the values that the service should store for them."""

import csv
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from unicodedata import category, combining, normalize

ROOT = Path(__file__).resolve().parents[1]
ATHLETES = ROOT.parent / "shared/data/quarterfinals-2022/athletes.csv"
COLUMNS = ("reference", "name", "sex", "category", "centres", "height", "weight")

CM_IN = {"cm": Decimal(1), "m": Decimal(100), "in": Decimal("2.54"), "": Decimal(1)}
KG_IN = {"kg": Decimal(1), "lb": Decimal("0.45359237"), "": Decimal(1)}
NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
MEASURE = re.compile(rf"({NUMBER}) *([a-z]*)", re.IGNORECASE)
FEET_AND_INCHES = re.compile(rf"([0-9]{{1,3}})' *(?:({NUMBER})\")?")
JOINERS = "\u200c\u200d"
TYPED = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "þ": "th"}
    | dict.fromkeys("\u2018\u2019`", "'")
    | dict.fromkeys("\u2010\u2013", "-")
)
"""What people type for the letters of the file that have no decomposition, and for quotes."""


class Unreadable(ValueError):
    """A cell whose value cannot be parsed."""


@dataclass(frozen=True)
class Row:
    """A row of the file: an athlete's cells, unparsed; an unknown value is empty."""

    line: int
    reference: str
    name: str
    sex: str
    category: str
    centre: str
    height: str
    weight: str

    @property
    def key(self) -> str:
        """The reference, as the service stores it."""
        return stored_text(self.reference)


def read_rows(path: Path) -> list[Row]:
    """Read the file; raise ``ValueError`` if a column is missing or a reference is not unique."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if absent := set(COLUMNS).difference(reader.fieldnames or ()):
            raise ValueError(f"it has no column {', '.join(sorted(absent))}")
        rows = [Row(reader.line_num, *(cells[name] or "" for name in COLUMNS)) for cells in reader]
    # A second run finds the athletes by their references, and so does the comparison.
    lines = {"": 0}
    for row in rows:
        if lines.setdefault(row.key, row.line) != row.line:
            raise ValueError(f"the reference on line {row.line} is empty or repeated")
    return rows


def height_cm(cell: str) -> Decimal | None:
    """Convert a height to centimetres with one decimal place; raise ``Unreadable``."""
    if match := FEET_AND_INCHES.fullmatch(cell.strip()):
        feet, inches = match.groups()
        cell = f"{12 * int(feet) + Decimal(inches or 0)} in"
    return _converted(cell, CM_IN, Decimal("0.1"))


def weight_kg(cell: str) -> Decimal | None:
    """Convert a weight to kilograms with two decimal places; raise ``Unreadable``."""
    return _converted(cell, KG_IN, Decimal("0.01"))


def _converted(cell: str, units: dict[str, Decimal], places: Decimal) -> Decimal | None:
    if not cell.strip():
        return None
    match = MEASURE.fullmatch(cell.strip())
    if match is None or match[2].lower() not in units:
        raise Unreadable(
            f"cannot parse {cell!r}: give a number and a unit: {', '.join(filter(None, units))}"
        )
    return (Decimal(match[1]) * units[match[2].lower()]).quantize(places, ROUND_HALF_UP)


def stored_text(text: str) -> str:
    """Return a text as the service stores it: NFC, without invisible characters, trimmed."""
    visible = (c for c in text if category(c) != "Cf" or c in JOINERS)
    return " ".join(normalize("NFC", "".join(visible)).split())


def name_key(name: str) -> str:
    """Return the key of a name in Latin letters: without case, accents and invisible characters."""
    folded = normalize("NFKD", normalize("NFKD", name).casefold()).translate(TYPED)
    letters = (c for c in folded if not combining(c) and category(c) != "Cf")
    return " ".join("".join(letters).split())
