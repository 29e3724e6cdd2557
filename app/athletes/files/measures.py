"""Heights and weights with their units, as people write them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from pydantic_core import PydanticCustomError

from app.core.resources.text import clean_text

_NUMBER = r"[0-9]{1,9}(?:[.,][0-9]{1,9})?"
_MEASURE = re.compile(rf"({_NUMBER}) ?([a-z]*)")
_FEET_AND_INCHES = re.compile(r"([0-9]{1,9})' ?(?:((?:1[01]|[0-9])(?:[.,][0-9]{1,9})?)(?:\"|'')?)?")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_UNIT_OF_TITLE = re.compile(r"(?:height|weight)\W*?(cm|m|in|ft|kg|lbs?)\W*")
_BARE = re.compile(_NUMBER)
_TYPOGRAPHY = str.maketrans({"\u2019": "'", "\u2032": "'", "\u201d": '"', "\u2033": '"'})


@dataclass(frozen=True)
class Measure:
    """A quantity: its stored unit, the decimal places, and the factor from each unit to that."""

    unit: str
    places: Decimal
    worth: Mapping[str, Decimal]
    example: str

    def read(self, cell: object) -> object:
        """Convert a cell to the stored unit; without a unit, a number is in the stored unit.

        ``None`` is returned unchanged.
        """
        text = clean_text(cell)
        if not isinstance(text, str):
            return text
        text = text.lower().translate(_TYPOGRAPHY)
        if "ft" in self.worth and (length := _FEET_AND_INCHES.fullmatch(text)):
            amount = (
                int(length[1]) * self.worth["ft"] + _number(length[2] or "0") * self.worth["in"]
            )
        elif (measure := _MEASURE.fullmatch(text)) and (measure[2] or self.unit) in self.worth:
            # Nobody is a thousand metres tall, so in metres the comma is clear.
            if measure[2] != "m" and _THOUSANDS.fullmatch(measure[1]):
                raise PydanticCustomError(
                    "thousands",
                    "Input should have a decimal point, or another number of digits after the"
                    " comma, as in 81.5 or 81,5: a comma and three digits may mean thousands",
                )
            amount = _number(measure[1]) * self.worth[measure[2] or self.unit]
        else:
            raise PydanticCustomError(
                "measure", "Input should be like {example}", {"example": self.example}
            )
        return amount.quantize(self.places, ROUND_HALF_UP)


def _number(text: str) -> Decimal:
    """Convert a number with a decimal point or comma."""
    return Decimal(text.replace(",", "."))


HEIGHT = Measure(
    "cm",
    Decimal("0.1"),
    {"cm": Decimal(1), "m": Decimal(100), "in": Decimal("2.54"), "ft": Decimal("30.48")},
    "170 cm, 1.7 m, 67 in or 5'7\"",
)
WEIGHT = Measure(
    "kg",
    Decimal("0.01"),
    {"kg": Decimal(1), "lb": Decimal("0.45359237"), "lbs": Decimal("0.45359237")},
    "70 kg or 154.3 lb",
)

MEASURES = {"height": HEIGHT, "weight": WEIGHT}
"""The columns with a quantity."""


def unit_of(title_key: str) -> str:
    """Return the unit in the key of a title, such as ``height(in)``; empty if it has none."""
    found = _UNIT_OF_TITLE.fullmatch(title_key)
    return found[1] if found else ""


def with_unit(cell: str, unit: str) -> str:
    """Return a cell with the unit of its title, if it is a number without a unit."""
    return f"{cell.strip()} {unit}" if _BARE.fullmatch(cell.strip()) else cell
