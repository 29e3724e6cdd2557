"""The types of fields: how JSON becomes text, numbers, dates and identifiers.

JSON distinguishes text from numbers, so a value of the wrong type is rejected, never converted.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cache, lru_cache
from importlib import resources
from typing import Annotated, Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import (
    no_info_after_validator_function,
    no_info_before_validator_function,
)
from uuid_utils.compat import uuid7

from app.core.resources.text import LONGEST_NORMALISED, clean_lines, clean_text, name_key

new_id = uuid7
"""Make an identifier: a UUIDv7, so that new rows sort last by id."""

LONGEST_EMAIL = 254

_PLAIN_USER = re.compile(r"(?=.{1,64}$)[a-z0-9_+-]+(\.[a-z0-9_+-]+)*", re.IGNORECASE | re.ASCII)
FIRST_YEAR, LAST_YEAR = 1900, 2199
"""The range of a ``Moment`` in UTC; adding a duration to it does not overflow ``datetime``."""

_MOMENT = re.compile(
    # Stricter than Python, which accepts an offset of +01:99, and since 3.14 also 24:00.
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"(Z|[+-][0-9]{2}:[0-5][0-9])",
    re.IGNORECASE | re.ASCII,
)
_LOCAL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_WEEK = re.compile(r"(19|20|21)[0-9]{2}-W(0[1-9]|[1-4][0-9]|5[0-3])", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _json_number(value: object) -> object:
    if isinstance(value, str | bytes | bool):
        raise PydanticCustomError("number_type", "Input should be a number")
    # In JSON, 3.0 is 3. A large one, kept as a float, would get another error than out of range.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _usual_uuid(value: object) -> object:
    if not isinstance(value, UUID) and not (isinstance(value, str) and _UUID.fullmatch(value)):
        raise PydanticCustomError("uuid", "Input should be a UUID in its 8-4-4-4-12 form")
    return value


def _digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,100}", value):
        raise PydanticCustomError("int_parsing", "Input should be a whole number")
    return value


def _true_or_false(value: object) -> object:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise PydanticCustomError("bool_parsing", "Input should be true or false")
    return value


def _calendar_date(value: object) -> object:
    if not isinstance(value, date) and not (
        isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)
    ):
        raise PydanticCustomError("date_type", "Input should be a date like 1990-12-31")
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("no_such_day", "There is no such day") from None


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise PydanticCustomError(
            "datetime_type",
            "Input should be a date and time with an offset like 2026-12-01T18:00:00+01:00",
        )
    try:
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        in_range = FIRST_YEAR <= moment.year <= LAST_YEAR
    except OverflowError:
        in_range = False
    except ValueError:
        raise PydanticCustomError("no_such_moment", "There is no such date and time") from None
    if not in_range:
        raise PydanticCustomError(
            "datetime_out_of_range",
            "Input should be in the years {first} to {last}",
            {"first": FIRST_YEAR, "last": LAST_YEAR},
        )
    return moment


def _local_time(value: object) -> object:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not _LOCAL_TIME.fullmatch(value):
        raise PydanticCustomError("time_type", "Input should be a time like 18:00")
    return time.fromisoformat(value)


def _week(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _WEEK.fullmatch(value):
        raise PydanticCustomError(
            "week_type",
            "Input should be a week like 2026-W48, in the years {first} to {last}",
            {"first": FIRST_YEAR, "last": LAST_YEAR},
        )
    try:
        return date.fromisocalendar(int(value[:4]), int(value[6:]), 1)
    except ValueError:
        raise PydanticCustomError(
            "no_such_week", "The year {year} has 52 weeks", {"year": value[:4]}
        ) from None


def _past(day: date) -> date:
    if not date(1900, 1, 1) <= day <= datetime.now(UTC).date():
        raise PydanticCustomError(
            "date_out_of_range", "Input should be a date from 1900-01-01 to today"
        )
    return day


def _in_range(day: date) -> date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise PydanticCustomError(
            "date_out_of_range",
            "Input should be in the years {first} to {last}",
            {"first": FIRST_YEAR, "last": LAST_YEAR},
        )
    return day


def _email(address: str) -> str:
    try:
        if len(address) > LONGEST_NORMALISED:
            raise EmailNotValidError
        user, _, domain = address.rpartition("@")
        if len(address) <= LONGEST_EMAIL and domain.isascii() and _PLAIN_USER.fullmatch(user):
            return f"{user}@{_email_domain(domain)}"
        return validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        raise PydanticCustomError("email", "Input should be an email address") from None


@lru_cache(maxsize=1000)
def _email_domain(domain: str) -> str:
    """Normalise a domain; cached, as it is most of the work and few domains are common."""
    return validate_email(f"a@{domain}", check_deliverability=False).domain


@cache
def _time_zones() -> frozenset[str]:
    # The list of the tzdata package: the zone files of machines differ.
    zones = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(zones.split()) - {"Factory"}  # a placeholder for "not set"


def _time_zone(name: str) -> str:
    if name not in _time_zones():
        raise PydanticCustomError(
            "time_zone", "Input should be an IANA time zone like Europe/Madrid"
        )
    return name


def text_pattern(without: str = "") -> str:
    """Return a JSON Schema pattern for ``Text``: no control character, one visible character."""
    usable = rf"[^\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f{without}]"
    visible = rf"[^\s\u0000-\u001f\u007f-\u009f{without}]"
    return f"^{usable}*{visible}{usable}*$"


@dataclass(frozen=True)
class Text:
    """Mark a ``str`` that is cleaned, and then has 1 to ``longest`` characters.

    A ``name`` needs a visible character, so that its name key is never empty. Text with ``lines``
    keeps its line breaks. ``pattern`` documents what a validator of its own checks.
    """

    longest: int
    name: bool = False
    lines: bool = False
    pattern: str = field(default_factory=text_pattern)

    def _check(self, text: str) -> str:
        if len(text) > self.longest:
            raise PydanticCustomError(
                "text_too_long",
                "Text should have at most {longest} characters",
                {"longest": self.longest},
            )
        if not text or (self.name and not name_key(text)):
            raise PydanticCustomError("text_empty", "Text needs at least one visible character")
        return text

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        clean = clean_lines if self.lines else clean_text
        return no_info_after_validator_function(
            self._check, no_info_before_validator_function(clean, handler(source))
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            **handler(schema),
            "minLength": 1,
            "maxLength": self.longest,
            "pattern": self.pattern,
        }


class JSONNumber:
    """Mark an ``int`` or ``Decimal`` that must be a JSON number, not text or ``true``."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_before_validator_function(_json_number, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        documented = handler(schema)
        number: dict[str, Any] = dict(schema["schema"])
        if number["type"] != "decimal":
            return documented
        # Pydantic documents a decimal as a string, or as a number or a string.
        for string_too in ("anyOf", "type", "pattern"):
            documented.pop(string_too, None)
        places = number["decimal_places"]
        return {
            **documented,
            "type": "number",
            "minimum": float(number["ge"]),
            "maximum": float(number["le"]),
            # Not multipleOf: validators compute in binary, where 50.3 is no multiple of 0.1.
            "description": f"At most {places} decimal place{'s' * (places > 1)}.",
        }


Id = Annotated[UUID, BeforeValidator(_usual_uuid)]
"""A UUID, only in the form with 8-4-4-4-12 hexadecimal digits."""

ExampleId = Annotated[Id, Field(examples=["019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"])]
"""An identifier in a request or response body, with an example."""

FROM_DIGITS = BeforeValidator(_digits)
"""Validates an integer in a query, where every value is text; put it after the bounds."""

QueryInteger = Annotated[int, FROM_DIGITS]
"""An integer in a query; the field sets its bounds."""

QueryBoolean = Annotated[bool, BeforeValidator(_true_or_false)]
"""A boolean in a query: ``true`` or ``false``."""

SearchText = Annotated[str, Text(100, name=True), AfterValidator(name_key)]
"""A search text for names; becomes a name key."""

Email = Annotated[
    str,
    BeforeValidator(clean_text),
    AfterValidator(_email),
    Field(max_length=LONGEST_EMAIL, json_schema_extra={"format": "idn-email"}),
]
"""An email address with a normalised domain."""

TimeZone = Annotated[
    str,
    AfterValidator(_time_zone),
    Field(max_length=64, json_schema_extra={"format": "time-zone"}),
]
"""The IANA name of a time zone."""

PastDate = Annotated[date, BeforeValidator(_calendar_date), AfterValidator(_past)]
"""A day from 1900-01-01 to today (in UTC)."""

CalendarDate = Annotated[date, BeforeValidator(_calendar_date), AfterValidator(_in_range)]
"""A day, in the years of a ``Moment``."""

LocalTime = Annotated[
    time,
    BeforeValidator(_local_time),
    WithJsonSchema(
        {"type": "string", "format": "local-time", "pattern": f"^{_LOCAL_TIME.pattern}$"}
    ),
]
"""A time of day like 18:00, in the time zone of a centre."""

Week = Annotated[
    date,
    BeforeValidator(_week),
    WithJsonSchema({"type": "string", "format": "week", "pattern": f"^{_WEEK.pattern}$"}),
]
"""A week like 2026-W48 (ISO 8601), in the years of a ``Moment``; becomes its Monday."""

Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A date and time with an offset (RFC 3339); converted to UTC."""
