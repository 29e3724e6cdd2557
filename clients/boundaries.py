"""Values at the boundaries of every parameter and body, derived from the document."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from app.api.tests.hostile.requests import MARK
from app.api.tests.hostile.values import (
    BAD_DATES,
    BAD_EMAILS,
    BAD_IDS,
    BAD_MOMENTS,
    BAD_TEXTS,
    BAD_TIMES,
    BAD_URLS,
    BAD_WEEKS,
    BAD_ZONES,
    GOOD_MOMENTS,
    GOOD_TEXTS,
    GOOD_WEEKS,
    INVISIBLE_NAMES,
)
from app.api.tests.operations import (
    NOBODY,
    Operation,
    Schema,
    not_null,
    operations,
)

Document = dict[str, Any]
Values = dict[str, str]
"""JSON values, by what they are."""

ANY_TYPE: Values = {
    "null": "null",
    "true": "true",
    "false": "false",
    "zero": "0",
    "one": "1",
    "a fraction": "1.5",
    "a text": '"a"',
    "a number as text": '"1"',
    "a flag as text": '"true"',
    "no text": '""',
    "an empty array": "[]",
    "an array": '["a"]',
    "an empty object": "{}",
    "an object": '{"a": 1}',
}
LONGEST = 2000
"""Values of more characters are left out: their shorter kin show the same."""


@dataclass(frozen=True)
class Case:
    """A value, the place of its schema in the document, and a request that carries it."""

    operation: str
    field: str
    what: str
    place: str
    value: str
    method: str
    path: str
    query: dict[str, str] | None = None
    headers: dict[str, str] | None = None
    body: str | None = None

    def __str__(self) -> str:
        return f"{self.operation} {self.field}: {self.what}: {self.value:.120}"


def cases(document: Document) -> Iterator[Case]:
    """Yield the values of every parameter and JSON body."""
    for operation in operations(document):
        for number, parameter in enumerate(operation.described.get("parameters", [])):
            yield from _of_parameter(operation, number, parameter)
        if operation.body is not None:
            yield from _of_body(operation, operation.body)


def _of_parameter(operation: Operation, number: int, parameter: Schema) -> Iterator[Case]:
    path = operation.path.replace("~", "~0").replace("/", "~1")
    place = f"/paths/{path}/{operation.method.lower()}/parameters/{number}/schema"
    name, inside = parameter["name"], parameter["in"]
    for what, value, text in _texts_of_parameter(parameter["schema"]):
        if inside == "path" and not re.fullmatch(r"[^/\n]+", text):
            continue  # no operation has such a path
        if inside == "header" and not re.fullmatch("[!-~]([ -~]*[!-~])?", text):
            continue  # no header has such a value
        this = operation.path.replace(f"{{{name}}}", quote(text, safe=""))
        yield Case(
            *(operation.id, f"{inside} {name}", what, place, value, operation.method),
            path=re.sub(r"{\w+}", NOBODY, this),
            query=_needed(operation) | ({name: text} if inside == "query" else {}),
            headers=_type_of_body(operation) | ({name: text} if inside == "header" else {}),
            body=_example_of_body(operation),
        )


def _needed(operation: Operation) -> dict[str, str]:
    """Return the required query parameters, with ids that no row has."""
    pairs = (part.partition("=") for part in operation.needed("").strip("?").split("&") if part)
    return {name: re.sub("<.*>", NOBODY, value) for name, _, value in pairs}


def _type_of_body(operation: Operation) -> dict[str, str]:
    return {"Content-Type": operation.takes} if operation.takes else {}


def _example_of_body(operation: Operation) -> str | None:
    """Return the example; a file has a byte order mark, so that it suits every encoding."""
    return f"\ufeff{operation.example}" if operation.takes == "text/csv" else operation.example


def _texts_of_parameter(schema: Schema) -> Iterator[tuple[str, str, str]]:
    """Yield the values that a URL can have: what it is, as JSON, and as text of UTF-8."""
    if schema["type"] != "string":
        for text in ("", "a", "null", "[]"):
            yield f"the text {text}", json.dumps(text), text
    for what, value in values_of(schema).items():
        parsed = json.loads(value)
        if schema["type"] != "string":
            if isinstance(parsed, int | float):  # the text "1" would be the number 1 too
                yield what, value, value
        elif isinstance(parsed, str) and not re.search("[\ud800-\udfff]", parsed):
            yield what, value, parsed


def _of_body(operation: Operation, schema: Schema) -> Iterator[Case]:
    example: dict[str, Any] = json.loads(operation.example or "")
    place = _body_place(operation)

    def case(field: str, what: str, body: str) -> Case:
        return Case(
            *(operation.id, field, what, place, body),
            *(operation.method, operation.nowhere),
            body=body,
        )

    for field, described in operation.fields.items():
        for what, value in values_of(described).items():
            yield case(field, what, _body_with(operation, field, value))
    required = schema.get("required", [])
    for field in required:
        rest = {name: value for name, value in example.items() if name != field}
        yield case(field, "missing", json.dumps(rest))
    yield case("", "the example", json.dumps(example))
    yield case("", "required fields only", json.dumps({name: example[name] for name in required}))
    yield case("", "an unknown field", json.dumps(example | {"unknown": 1}))
    yield case("", "two fields", json.dumps(dict.fromkeys(list(operation.fields)[:2], "a")))
    for what, value in ANY_TYPE.items():
        yield case("", what, value)


def _body_place(operation: Operation) -> str:
    content = operation.described["requestBody"]["content"]
    reference: str = content["application/json"]["schema"]["$ref"]
    return reference.removeprefix("#")


def _body_with(operation: Operation, field: str, value: str) -> str:
    """Return a body that is valid except maybe for one field, which has this JSON value."""
    base = json.loads(operation.example or "") if operation.creates or operation.issues else {}
    body = json.dumps(base | {field: "<value>"}, ensure_ascii=False)
    return body.replace('"<value>"', value)


def decimals(document: Document) -> Iterator[Case]:
    """Yield each hundredth in the range of each decimal of JSON bodies."""
    for operation in operations(document):
        for field, described in operation.fields.items():
            schema = not_null(described)
            if schema["type"] != "number":
                continue
            place = f"{_body_place(operation)}/properties/{field}"
            body = _body_with(operation, field, "<value>")
            first, last = (round(schema[bound] * 100) for bound in ("minimum", "maximum"))
            for hundredth in range(first, last + 1):
                value = json.dumps(hundredth / 100)
                yield Case(
                    *(operation.id, field, "a hundredth", place, value),
                    *(operation.method, operation.nowhere),
                    body=body.replace("<value>", value),
                )


def values_of(schema: Schema) -> Values:
    """Return the values of every type, and those at the boundaries of a schema."""
    one = not_null(schema)
    found = dict(ANY_TYPE)
    if "$ref" in one:  # an object in an array
        return found
    if one["type"] in {"integer", "number"}:
        found |= _numbers(one)
    if one["type"] == "array":
        found |= _arrays(one)
    if one["type"] == "string":
        found |= {what: text for what, text in _texts(one).items() if len(text) < LONGEST}
    if "enum" in one:
        for word in one["enum"]:
            found |= {
                f"the word {word}": json.dumps(word),
                f"the word {word} in capitals": json.dumps(word.upper()),
                f"the word {word} and a letter": json.dumps(f"{word}s"),
                f"the word {word} after a space": json.dumps(f" {word}"),
            }
    return found


def _numbers(schema: Schema) -> Values:
    bounds = [Decimal(str(schema[bound])) for bound in ("minimum", "maximum")]
    steps = [Decimal(step) for step in ("0", "1", "0.5", "0.1", "0.01", "0.001", "0.0000001")]
    near = {bound + sign * step for bound in bounds for step in steps for sign in (1, -1)}
    return {
        **{f"the number {number:f}": f"{number:f}" for number in sorted(near)},
        "a whole number with a point": f"{bounds[0] + 1:.1f}",
        "a whole number with many zeros": f"{bounds[0] + 1:.50f}",
        "a whole number with an exponent": f"{bounds[0] + 1:.6e}",
        "half, with an exponent": f"{bounds[0] + Decimal('1.5'):.6e}",
        "minus zero": "-0",
        "minus zero with a point": "-0.0",
        "negative": "-3",
        "2 ** 31": str(2**31),
        "2 ** 53 + 1": str(2**53 + 1),
        "2 ** 63": str(2**63),
        "a number of 40 digits": "9" * 40,
        "more than a double has": "1e999",
        "less than a double has": "1e-999",
    }


def _arrays(schema: Schema) -> Values:
    def of(number: int) -> str:
        return json.dumps([f"019aa8a5-3f0c-7c4e-9d0f-{n:012}" for n in range(number)])

    most = schema["maxItems"]
    return {
        f"{most - 1} items": of(most - 1),
        f"{most} items": of(most),
        f"{most + 1} items": of(most + 1),
        "one item twice": json.dumps([NOBODY, NOBODY]),
        **{f"an item: {what}": f"[{value}]" for what, value in values_of(schema["items"]).items()},
    }


def _texts(schema: Schema) -> Values:
    found: Values = {}
    if "minLength" in schema or "maxLength" in schema:
        found |= _lengths(schema.get("minLength", 0), schema.get("maxLength", 0))
    if "pattern" in schema:
        found |= _characters(schema["pattern"])
    if "format" in schema:
        inside, plain = FORMATS[schema["format"]]
        found |= {what: f'"{text}"'.replace("MARK", MARK) for what, text in inside.items()}
        found |= {what: json.dumps(text, ensure_ascii=False) for what, text in plain.items()}
    return found


def _lengths(least: int, most: int) -> Values:
    found: Values = {}
    for length in {least - 1, least, least + 1, most - 1, most, most + 1}:
        if length < 0:
            continue
        found |= {
            f"{length} letters": "a" * length,
            f"{length} astral letters": "\U0001d538" * length,
            f"{length} letters and a space around": f" {'a' * length} ",
            f"{length} letters with an accent apart": "e\u0301" * length,
        }
    return {what: json.dumps(text, ensure_ascii=False) for what, text in found.items()}


def _characters(pattern: str) -> Values:
    """Return texts of each character at a boundary of a class in the pattern, and within them."""
    named = {int(digits, 16) for digits in re.findall(r"\\u([0-9a-f]{4})", pattern)}
    points = {point + step for point in named for step in (-1, 0, 1)}
    points |= {ord(character) for character in " \t\n;,\"'\\/<>&%\u00a0\u1680\u2028\u3000\ufeff"}
    return {
        **{f"U+{point:04X} alone": json.dumps(chr(point)) for point in points if point >= 0},
        **{
            f"U+{point:04X} within": json.dumps(f"a{chr(point)}b") for point in points if point >= 0
        },
        "a lone surrogate within": '"a\\ud800b"',
        **{what: f'"{text}"' for what, text in {**BAD_TEXTS, **INVISIBLE_NAMES}.items()},
        **{what: f'"{text}"' for what, text in GOOD_TEXTS.items()},
    }


def _fractions() -> Values:
    return {
        f"{digits} digits after the point": f"2100-01-01T18:00:00.{'123456789'[:digits]}Z"
        for digits in range(1, 10)
    }


def _days() -> Values:
    today = datetime.now(UTC).date()
    days = {
        "the first day": "1900-01-01",
        "the day before the first": "1899-12-31",
        "yesterday": (today - timedelta(days=1)).isoformat(),
        "the day after tomorrow": (today + timedelta(days=2)).isoformat(),
        "a leap day": "2024-02-29",
        "no leap day": "1900-02-29",
        "the year 0001": "0001-01-01",
        "the year 9999": "9999-12-31",
        "a day of the year": "2020-137",
        "no punctuation": "20200101",
        "a space before it": " 2020-01-01",
    }
    bad = {what: json.loads(day) for what, day in BAD_DATES.items() if day.startswith('"')}
    return {**bad, **days}


_IDS = {
    **BAD_IDS,
    "nil": NOBODY,
    "all ones": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "capitals": "019AA8A5-3F0C-7C4E-9D0F-6F2D1C7A5B10",
    "version 4": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "no version": "f47ac10b-58cc-0372-0567-0e02b2c3d479",
    "hyphens elsewhere": "019aa8a53-f0c-7c4e-9d0f-6f2d1c7a5b10",
    "a letter that is no digit": "g19aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10",
}
_ZONES = {
    **BAD_ZONES,
    "a zone": "Europe/Lisbon",
    "a zone of three parts": "America/Argentina/Buenos_Aires",
    "UTC": "UTC",
    "an offset": "+01:00",
    "64 letters": "a" * 64,
    "65 letters": "a" * 65,
}
_LONG_EMAIL = "a" * 60 + "@" + ("b" * 60 + ".") * 4
_EMAILS = {
    **BAD_EMAILS,
    "plain": "mara@example.com",
    "capitals": "Mara@Example.COM",
    "a plus": "mara+gym@example.com",
    "another script": "\u0142ucja@b\u00fccher.example",
    "punycode": "mara@xn--bcher-kva.example",
    "an apostrophe": "o'connor@example.com",
    "a point at the end": "mara.@example.com",
    "two points": "ma..ra@example.com",
    "no at sign": "mara.example.com",
    "a space around": " mara@example.com ",
    "a space within": "ma ra@example.com",
    "a name beside it": "Mara <mara@example.com>",
    "two addresses": "mara@example.com, ana@example.com",
    "an underscore in the domain": "mara@ex_ample.com",
    "64 letters before the at sign": f"{'a' * 64}@example.com",
    "65 letters before the at sign": f"{'a' * 65}@example.com",
    **{f"{length} characters": _LONG_EMAIL[: length - 4] + ".com" for length in (253, 254, 255)},
}
_URLS = {
    **BAD_URLS,
    "http": "http://video.example.com",
    "a port": "https://video.example.com:8443/",
    "a query and a fragment": "https://video.example.com/v/1?t=6%3A21#start",
    "capitals": "HTTPS://video.example.com/",
}
FORMATS: dict[str, tuple[Values, Values]] = {
    "date": ({}, _days()),
    "date-time": ({}, {**BAD_MOMENTS, **GOOD_MOMENTS, **_fractions()}),
    "uuid": ({}, _IDS),
    "idn-email": (_EMAILS, {}),
    "password": ({}, {"a common password": "passwordpassword"}),
    "time-zone": (_ZONES, {}),
    "uri": (_URLS, {}),
    "local-time": ({}, {**BAD_TIMES, "midnight": "00:00", "the last minute": "23:59"}),
    "week": ({}, {**BAD_WEEKS, **GOOD_WEEKS}),
}
"""By format: contents of JSON strings in which ``MARK`` stands for a marker, and plain texts."""
