"""Dates as people and spreadsheets write them."""

import re
from typing import Literal

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from app.core.resources.text import clean_text

DateOrder = Literal["dmy", "mdy"]
"""Whether a date such as ``05/06/1994`` begins with the day or with the month."""

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.]) ?([0-9]{1,2})\2 ?([0-9]{1,2})\.?")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.]) ?([0-9]{1,2})\2 ?([0-9]{4})")
_SHORT_YEAR = re.compile(r"[0-9]{1,2}([-/.]) ?[0-9]{1,2}\1 ?[0-9]{2}")
_MIDNIGHT = re.compile(r"[ T](0?0:00(:00(\.0{1,9})?)?Z?|12:00(:00)? ?AM)", re.IGNORECASE)
_TIME = re.compile(r"[ T][0-9]{1,2}:[0-9]{2}.*")
_SERIAL = re.compile(r"[0-9]{4,5}(\.[0-9]{1,9})?")


def read_date(cell: object, info: ValidationInfo) -> object:
    """Convert a cell to a date like ``1994-05-17``; ``None`` is returned unchanged.

    The validation context has the order of a date with slashes or hyphens that ends with the year.
    """
    if not isinstance(cell, str) or _ISO.fullmatch(cell):
        return cell
    text = str(clean_text(cell))
    day = _MIDNIGHT.sub("", text) if ":" in text else text
    if found := _YEAR_FIRST.fullmatch(day):
        return _iso(found[1], found[3], found[4])
    if found := _YEAR_LAST.fullmatch(day):
        order = "dmy" if found[2] == "." else (info.context or {}).get("dates")
        if order is None:
            raise PydanticCustomError(
                "date_order",
                "Input should say whether the day or the month is first: import it with --dates dmy"
                " or --dates mdy (over HTTP ?dates=dmy or ?dates=mdy)",
            )
        month, day_of_month = (found[3], found[1]) if order == "dmy" else (found[1], found[3])
        if found[2] != "." and int(month) > 12 >= int(day_of_month):
            raise PydanticCustomError(
                "no_such_month",
                "Input has no such month: if this file needs --dates {other}, import all of it"
                " again, as other dates were swapped",
                {"other": "mdy" if order == "dmy" else "dmy"},
            )
        return _iso(found[4], month, day_of_month)
    if _SHORT_YEAR.fullmatch(day):
        raise PydanticCustomError("short_year", "Input should have a year of four digits")
    if _SERIAL.fullmatch(day):
        raise PydanticCustomError(
            "serial_date",
            "Input is a number, as spreadsheets store dates: format the column as a date like"
            " 1990-12-31, and save the file again",
        )
    if _TIME.search(day):
        raise PydanticCustomError(
            "date_with_time", "Input should be a date without a time of day, like 1990-12-31"
        )
    return day


def _iso(year: str, month: str, day: str) -> str:
    return f"{year}-{month:0>2}-{day:0>2}"
