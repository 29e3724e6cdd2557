"""An athlete as a row of a file: the columns, for both import and export."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from sqlmodel import SQLModel

from app.athletes.files.dates import DateOrder, read_date
from app.athletes.files.measures import HEIGHT, MEASURES, WEIGHT
from app.athletes.models import (
    MOST_CENTRES,
    Athlete,
    AthletePerson,
    BirthDate,
    HeightCm,
    Name,
    Sex,
    WeightKg,
)
from app.categories.models import Name as CategoryName
from app.centres.models import Name as CentreName
from app.core.db.schema import source_of, table_of, unique_columns
from app.core.resources.fields import Id
from app.core.resources.models import ABSENT
from app.core.resources.text import clean_text, name_key

SEPARATOR = ";"
"""Separates the centres in a cell."""

_SEXES = {
    **dict.fromkeys(("female", "f", "w", "woman"), "female"),
    **dict.fromkeys(("male", "m", "man"), "male"),
    **dict.fromkeys(("other", "x", "d"), "other"),
}
"""The sex that a word means. ``h`` is none: where it means a man, ``m`` often means a woman."""


def _names(cell: object) -> object:
    """Split a cell into names, one for each name key; of too many names, return too many."""
    text = clean_text(cell)
    if not isinstance(text, str):
        return [] if text is None else text
    by_key: dict[str, str] = {}
    for name in filter(None, map(str.strip, text.split(SEPARATOR))):
        by_key[name_key(name)] = name
        if len(by_key) > MOST_CENTRES:
            break
    return list(by_key.values())


def _sex(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    return _SEXES.get(cell) or _SEXES.get(str(clean_text(cell)).lower(), cell)


class RecordId(SQLModel):
    """The first column of a file."""

    id: Annotated[Id | None, BeforeValidator(clean_text)] = None


class AthleteRecord(AthletePerson, RecordId):
    """An athlete as a row of a file; the fields of absent columns are not set."""

    name: Name = ABSENT
    birth_date: Annotated[BirthDate | None, BeforeValidator(read_date)] = None
    sex: Annotated[Sex | None, BeforeValidator(_sex)] = None
    category: CategoryName = ABSENT
    centres: Annotated[
        list[CentreName], Field(max_length=MOST_CENTRES), BeforeValidator(_names)
    ] = []
    height_cm: Annotated[HeightCm | None, Field(alias="height"), BeforeValidator(HEIGHT.read)] = (
        None
    )
    weight_kg: Annotated[WeightKg | None, Field(alias="weight"), BeforeValidator(WEIGHT.read)] = (
        None
    )


COLUMNS = {field.alias or name: name for name, field in AthleteRecord.model_fields.items()}
"""The field of each column, in the order of an export."""

UNIQUE: Mapping[str, Callable[[str], str]] = {"id": str.lower} | {
    source_of(column): column.info.get("derive", str)
    for column in unique_columns(table_of(Athlete))
}
"""The unique columns, and the function that makes two spellings of a value equal."""

EXAMPLE = """\
reference,name,sex,category,centres,height,weight
M-1042,Mara Lindqvist,female,Rx,CrossFit Northside;The Garage,5'6",141.6 lb
"""


def record_of(cells: Mapping[str, str], dates: DateOrder | None = None) -> AthleteRecord:
    """Validate the cells of a row, given by column; an empty cell becomes ``None``.

    ``dates`` is the order of dates such as ``05/06/1994``, which are invalid without it. Raise
    ``ValueError`` with a message that says which columns are wrong and what to correct.
    """
    stripped = {column: cell.strip() or None for column, cell in cells.items()}
    for column, cell in stripped.items():
        if cell and ("\n" in cell or "\r" in cell):
            # Most often, this is two rows in one cell.
            raise ValueError(f"{column} has a line break: is a quotation mark out of place?")
    try:
        return AthleteRecord.model_validate(stripped, context={"dates": dates})
    except ValidationError as error:
        raise ValueError("; ".join(map(_reason, error.errors(include_url=False)))) from None


def _reason(error: ErrorDetails) -> str:
    """Say what is wrong with a cell, without its value, which may be personal.

    Only a height or weight that is out of range is repeated, in the stored unit.
    """
    column, *within = map(str, error["loc"])
    named = f"a name in {column}" if within else column
    bounds = error.get("ctx", {})
    if error["input"] is None:
        return f"{column} is empty"
    match error["type"]:
        case "greater_than_equal":
            return _out_of_range(column, error["input"], f"at least {bounds['ge']}")
        case "less_than_equal":
            return _out_of_range(column, error["input"], f"at most {bounds['le']}")
        case "uuid":
            return f"{column} is not one of ours; put member numbers in reference"
        case "literal_error":
            return f"{column} should be female, male or other; F, M and X are read too"
        case "too_long":
            return f"{column} has more than {bounds['max_length']} names"
        case "unusable_character":
            return f"{named} has a character that cannot be shown"
    subject, _, rest = error["msg"].partition(" ")
    return f"{named} {rest}" if subject in {"Input", "Text"} else f"{named}: {error['msg']}"


def taken_reason(columns: Sequence[str], where: str) -> str:
    """Say that unique values are also elsewhere, and what to do about an email address."""
    reason = f"{' and '.join(columns)} is {where}"
    if "email" not in columns:
        return reason
    return f"{reason}; an email belongs to one athlete: leave it empty for the other"


def _out_of_range(column: str, amount: object, limit: str) -> str:
    unit = MEASURES[column].unit
    return f"{column} is {amount} {unit}, and should be {limit} {unit}"
