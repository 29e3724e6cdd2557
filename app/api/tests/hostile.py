"""Requests that nobody sends who means well, and the statuses that may answer each.

They are what fuzzers miss, written by hand. ``<category>``, ``<booking>`` and other names of
``THINGS`` in a target or a body stand for the id of one that is there, and ``<cursor>`` for a
cursor of the list of categories. Where a value goes, ``MARK`` is in it: no refusal may repeat that.
"""

import gzip
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any
from urllib.parse import quote
from uuid import UUID

from app.conftest import API
from app.core.resources.paging import name_of_list

MARK = "xqmarkqx"
"""Stands in values, which are never repeated; no name of a field or parameter has it."""
TAKEN = "Strasse Élite"
"""The name of the category that is there."""
NOBODY = "00000000-0000-0000-0000-000000000000"
TWENTY_MB = 20_000_000

JSON = ("Content-Type", "application/json")
CSV = ("Content-Type", "text/csv")
LATER = {"starts_at": "2100-01-01T18:00:00Z", "ends_at": "2100-01-01T19:00:00Z"}
"""When trainings are, unless that is what is wrong: nothing may be booked after the start."""
INVENTED = "BREW"
"""A method that a server may refuse before the app sees it."""

Document = dict[str, Any]
Headers = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Hostile:
    """A request, and the statuses that may answer it."""

    name: str
    method: str
    target: str
    answers: frozenset[int]
    headers: Headers = ()
    body: bytes = b""
    chunked: bool = False

    def filled(self, things: dict[str, str]) -> "Hostile":
        """Put what is there in the place of its placeholders."""
        body = self.body
        if len(body) < TWENTY_MB:
            for placeholder, value in things.items():
                body = body.replace(placeholder.encode(), value.encode())
        return replace(self, target=with_things(self.target, things), body=body)

    def raw_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the headers as bytes, with those that a request needs."""
        given = list(self.headers)
        if not any(name == "Host" for name, _ in given):
            given.append(("Host", "testserver"))
        if self.chunked:
            given.append(("Transfer-Encoding", "chunked"))
        elif self.body:
            given.append(("Content-Length", str(len(self.body))))
        for name, value in given:
            yield name.encode(), value if isinstance(value, bytes) else value.encode("latin-1")


def hostile(
    name: str,
    method: str,
    target: str,
    answers: int | set[int],
    *headers: tuple[str, str | bytes],
    body: bytes | str = b"",
    chunked: bool = False,
) -> Hostile:
    """Write a request down; text becomes UTF-8, except in headers, where it is Latin-1."""
    allowed = frozenset({answers} if isinstance(answers, int) else answers)
    body = body.encode() if isinstance(body, str) else body
    return Hostile(name, method, target, allowed, headers, body, chunked)


# What is there, and stays as it is; but <free> may be booked.

THINGS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("<category>", "categories", {"name": TAKEN}),
    ("<other>", "categories", {"name": "Other"}),
    ("<centre>", "centres", {"name": "Box"}),
    (
        "<athlete>",
        "athletes",
        {"name": "Ada", "category_id": "<category>", "centre_ids": ["<centre>"]},
    ),
    (
        "<training>",
        "trainings",
        {"name": "Full", "centre_id": "<centre>", "capacity": 1, **LATER},
    ),
    ("<booking>", "trainings/<training>/bookings", {"athlete_id": "<athlete>"}),
    (
        "<cancelled>",
        "trainings",
        {"name": "Cancelled", "centre_id": "<centre>", "capacity": 1, **LATER},
    ),
    ("<cancelled>", "trainings/<cancelled>/cancel", {}),
    (
        "<free>",
        "trainings",
        {
            "name": "Free",
            "centre_id": "<centre>",
            "capacity": 9,
            "starts_at": "2101-01-01T18:00:00Z",
            "ends_at": "2101-01-01T19:00:00Z",
        },
    ),
    ("<given up>", "trainings/<free>/bookings", {"athlete_id": "<athlete>"}),
    ("<given up>", "bookings/<given up>/cancel", {}),
)
"""What is posted where to create what each placeholder stands for, one after the other."""
HOMES = (
    "categories/<category>",
    "categories/<other>",
    "centres/<centre>",
    "athletes/<athlete>",
    "trainings/<training>",
    "trainings/<cancelled>",
    "bookings/<booking>",
    "bookings/<given up>",
)
"""Where they are read."""


def with_things(path: str, things: dict[str, str]) -> str:
    """Put the ids of what is there in the place of their placeholders."""
    for placeholder, value in things.items():
        path = path.replace(placeholder, value)
    return path


def making(path: str, fields: dict[str, Any], things: dict[str, str]) -> Hostile:
    """Write the request that creates one of ``THINGS``, of the others before it."""
    body = json.dumps(fields)
    return hostile(path, "POST", f"{API}/{path}", {200, 201}, JSON, body=body).filled(things)


# Bodies that are no JSON, to every operation that takes some.

NOT_JSON: dict[str, bytes] = {
    "nothing but NUL": b"\0",
    "white space": b" \r\n\t ",
    "a word": MARK.encode(),
    "a NUL in the text": b'{"name": "' + MARK.encode() + b'\0"}',
    "a raw line break in the text": b'{"name": "' + MARK.encode() + b'\n"}',
    "invalid UTF-8": b'{"name": "' + MARK.encode() + b'\xff"}',
    "overlong UTF-8": b'{"name": "' + MARK.encode() + b'\xc0\x80"}',
    "a surrogate in UTF-8": b'{"name": "' + MARK.encode() + b'\xed\xa0\x80"}',
    "UTF-8 that ends in the middle": b'{"name": "' + MARK.encode() + b"\xe2\x82",
    "a mark of UTF-8 before it": b'\xef\xbb\xbf{"name": "' + MARK.encode() + b'"}',
    "UTF-16": f'{{"name": "{MARK}"}}'.encode("utf-16"),
    "UTF-16 without a mark": f'{{"name": "{MARK}"}}'.encode("utf-16-be"),
    "invalid UTF-16": b'\xff\xfe\x00\xd8{\x00"\x00',
    "UTF-32": f'{{"name": "{MARK}"}}'.encode("utf-32"),
    "gzip": gzip.compress(f'{{"name": "{MARK}"}}'.encode()),
    "half an object": b'{"name": "' + MARK.encode(),
    "two objects": b'{"name": "' + MARK.encode() + b'"}{}',
    "a comma too many": b'{"name": "' + MARK.encode() + b'",}',
    "a comment": b'{"name": /* ' + MARK.encode() + b" */ 1}",
    "apostrophes": b"{'name': '" + MARK.encode() + b"'}",
    "half an escape": b'{"name": "\\u12"}',
    "an invented escape": b'{"name": "\\x41' + MARK.encode() + b'"}',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": Infinity}',
    "-Infinity": b'{"name": -Infinity}',
    "a number that begins with 0": b'{"name": 01}',
    "a number with a plus": b'{"name": +1}',
    "a number that begins with a point": b'{"name": .5}',
    "a number that ends with a point": b'{"name": 5.}',
    "a hexadecimal number": b'{"name": 0x10}',
    "arrays 60 000 deep": b"[" * 60_000,
    "closed arrays 30 000 deep": b"[" * 30_000 + b"]" * 30_000,
    "objects 10 000 deep": b'{"a":' * 10_000,
}
TOO_LONG: dict[str, bytes] = {
    "arrays 100 000 deep": b"[" * 100_000,
    "objects 100 000 deep": b'{"a":' * 100_000,
    "20 MB": b'{"name": "' + b"x" * TWENTY_MB + b'"}',
}
NOT_AN_OBJECT: dict[str, bytes] = {
    "null": b"null",
    "a text": json.dumps(MARK).encode(),
    "a number": b"1",
    "true": b"true",
    "an array": b'[{"name": "Rx"}]',
    "an empty array": b"[]",
    "zero": b"0",
}
STRANGE_FIELDS: dict[str, str] = {
    "an unknown field": '{"unknown": "MARK"}',
    "a field of the server's": '{"version": 7}',
    "a naive datetime": '{"created_at": "2020-01-01T00:00:00"}',
    "a prototype": '{"__proto__": {"admin": "MARK"}}',
    "an empty name of a field": '{"": "MARK"}',
    "NUL in the name of a field": '{"\\u0000": "MARK"}',
    "a lone surrogate in the name of a field": '{"\\ud800": "MARK"}',
    "a pointer as the name of a field": '{"/~0/~1/-": "MARK"}',
    "the name of a field of 10 000 characters": '{"' + "x" * 10_000 + '": "MARK"}',
    "a thousand unknown fields": json.dumps({f"unknown{n}": MARK for n in range(1000)}),
    "a value 400 deep": '{"name": ' + "[" * 400 + '"MARK"' + "]" * 400 + "}",
}

# Values of fields, to every field of the kind.

BAD_TEXTS: dict[str, str] = {
    "NUL": "MARK\\u0000",
    "a control character": "MARK\\u0007",
    "a terminal's escape": "\\u001b[31mMARK",
    "a control character of Latin-1": "MARK\\u0080",
    "a lone high surrogate": "MARK\\ud800",
    "a lone low surrogate": "\\udc00MARK",
    "surrogates in the wrong order": "\\udc00\\ud800MARK",
    "nothing": "",
    "white space": " \\t\\u3000\\u00a0",
    "a byte order mark alone": "\\ufeff",
    "zero-width spaces alone": "\\u200b\\u200b",
    "marks of direction alone": "\\u200f\\u202e\\u2066",
    "tags alone": "\\udb40\\udc41\\udb40\\udc42",
    "too many characters": "MARK" * 100,
    "30 000 combining marks in the worst order": "a" + "\u0301" * 15_000 + "\u0316" * 15_000,
}
INVISIBLE_NAMES: dict[str, str] = {
    "combining marks alone": "\\u0301\\u0316",
    "a joiner of graphemes alone": "\\u034f",
    "a zero-width joiner alone": "\\u200d",
    "variation selectors alone": "\\ufe0f\\udb40\\udd00",
    "Hangul fillers alone": "\\u3164\\u115f\\u1160\\uffa0",
}
GOOD_TEXTS: dict[str, str] = {
    "an unassigned code point": "\u0378",
    "a private one": "\ue000 MARK",
    "what is no character": "\ufffe\U0010ffff",
    "the other direction": "\u202eMARK\u202c",
    "a ligature that expands": "\ufdfa" * 20,
    "nine combining marks in the worst order": "a" + "\u0301" * 5 + "\u0316" * 4,
    "an escaped pair of surrogates": "\\ud83d\\ude00",
    "the word null": "null",
    "SQL": "' OR 1=1 --",
    "a script": "<script>1</script>",
    "placeholders": "$1 %s {} :name",
    "backslashes": "\\\\x00\\\\",
}
NO_TEXTS: dict[str, str] = {
    "true": "true",
    "a number": "1e3",
    "an array": '["MARK"]',
    "an object": '{"MARK": 1}',
}
BAD_NUMBERS: dict[str, str] = {
    "1e999": "1e999",
    "-1e999": "-1e999",
    "1E400": "1E400",
    "1e-400": "1e-400",
    "-0.0": "-0.0",
    "5 000 digits": "9" * 5000,
    "5 000 digits below zero": "-" + "9" * 5000,
    "beyond 64 bits": "9223372036854775808",
    "beyond 32 bits": "2147483648",
    "a fraction that no column holds": "60.00000001",
    "a text": '"60MARK"',
    "a number as text": '"60"',
    "true": "true",
    "an array": "[60]",
    "an object": '{"MARK": 60}',
}
GOOD_NUMBERS: dict[str, str] = {
    "a whole number as a fraction": "60.0",
    "an exponent": "6e1",
    "60 000 digits after the point": "60." + "0" * 60_000,
    "more digits than a double has": "60." + "0" * 40 + "1",
}
BAD_DATES: dict[str, str] = {
    "zeros": '"0000-00-00"',
    "no such day": '"2023-02-29"',
    "the year 10000": '"10000-01-01"',
    "the year 9999": '"9999-12-31"',
    "the year 1": '"0001-01-01"',
    "a year below zero": '"-2020-01-01"',
    "one digit": '"2020-1-1"',
    "a naive datetime": '"2020-01-01T00:00:00"',
    "midnight": '"2020-01-01T00:00:00Z"',
    "a week": '"2020-W01-1"',
    "other digits": '"\uff12\uff10\uff12\uff10-01-01"',
    "a line break": '"2020-01-01\\n"',
    "NUL": '"2020-01-01\\u0000"',
    "seconds": "0",
    "a number": "20200101",
    "5 000 digits": "9" * 5000,
    "a text": '"MARK"',
}
BAD_MOMENTS: dict[str, str] = {
    "no offset": "2100-01-01T18:00:00",
    "no seconds": "2100-01-01T18:00Z",
    "no minutes": "2100-01-01T18Z",
    "no time": "2100-01-01",
    "no day": "18:00:00Z",
    "no digits after the point": "2100-01-01T18:00:00.Z",
    "7 digits after the point": "2100-01-01T18:00:00.0000001Z",
    "60 000 digits after the point": "2100-01-01T18:00:00." + "0" * 60_000 + "Z",
    "a comma for the point": "2100-01-01T18:00:00,5Z",
    "a space for the T": "2100-01-01 18:00:00Z",
    "a full-width T": "2100-01-01\uff3418:00:00Z",
    "one digit": "2100-1-1T8:0:0Z",
    "no punctuation": "21000101T180000Z",
    "a week": "2100-W01-1T18:00:00Z",
    "a day of the year": "2100-001T18:00:00Z",
    "other digits": "\uff12\uff11\uff10\uff10-01-01T18:00:00Z",
    "other digits in the offset": "2100-01-01T18:00:00+\u0660\u0661:\u0660\u0660",
    "another minus": "2100-01-01T18:00:00\u221201:00",
    "24:00": "2100-01-01T24:00:00Z",
    "60 minutes": "2100-01-01T18:60:00Z",
    "a leap second": "2016-12-31T23:59:60Z",
    "no such day": "2100-02-29T18:00:00Z",
    "no such month": "2100-13-01T18:00:00Z",
    "zeros": "0000-00-00T00:00:00Z",
    "the year 0000": "0000-01-01T00:00:00Z",
    "the year 0001": "0001-01-01T00:00:00+23:59",
    "the year 1899": "1899-12-31T23:59:59.999999Z",
    "the year 2200": "2200-01-01T00:00:00Z",
    "the year 9999": "9999-12-31T23:59:59.999999-23:59",
    "the year 10000": "10000-01-01T00:00:00Z",
    "a year with a sign": "+002100-01-01T18:00:00Z",
    "a year below zero": "-2100-01-01T18:00:00Z",
    "an offset of 24 hours": "2100-01-01T18:00:00+24:00",
    "an offset of 24 hours below zero": "2100-01-01T18:00:00-24:00",
    "an offset of 99 hours": "2100-01-01T18:00:00+99:99",
    "an offset of 60 minutes": "2100-01-01T18:00:00+01:60",
    "an offset of seconds": "2100-01-01T18:00:00+01:00:00",
    "an offset of hours": "2100-01-01T18:00:00+01",
    "an offset without a colon": "2100-01-01T18:00:00+0100",
    "an offset without a sign": "2100-01-01T18:00:0001:00",
    "two offsets": "2100-01-01T18:00:00Z+01:00",
    "a zone": "2100-01-01T18:00:00Europe/Madrid",
    "a zone besides": "2100-01-01T18:00:00Z[Europe/Madrid]",
    "a Unix time": "4102509600",
    "a Unix time with a fraction": "4102509600.5",
    "a period": "PT1H",
    "nothing": "",
    "a word": MARK,
    "a word of PostgreSQL's": "infinity",
    "another word of PostgreSQL's": "now",
    "the word null": "null",
    "NUL": "2100-01-01T18:00:00Z\0",
    "a line break": "2100-01-01T18:00:00Z\n",
    "spaces": " 2100-01-01T18:00:00Z ",
    "quotation marks": '"2100-01-01T18:00:00Z"',
    "5 000 digits": "9" * 5000,
    "60 000 letters": MARK + "x" * 60_000,
}
NO_MOMENTS: dict[str, str] = {
    "null": "null",
    "a Unix time": "4102509600",
    "a Unix time with a fraction": "4102509600.5",
    "milliseconds": "4102509600000",
    "1e999": "1e999",
    "true": "true",
    "an array": '["2100-01-01T18:00:00Z"]',
    "an object": '{"MARK": "2100-01-01T18:00:00Z"}',
    "a lone surrogate": '"2100-01-01T18:00:00Z\\ud800"',
}
GOOD_SPANS: dict[str, tuple[str, str]] = {
    "a microsecond": ("2100-01-01T18:00:00Z", "2100-01-01T18:00:00.000001Z"),
    "24 hours": ("2100-01-01T18:00:00Z", "2100-01-02T18:00:00Z"),
    "24 hours by offsets": ("2100-01-01T18:00:00+23:59", "2100-01-01T18:01:00-00:00"),
    "small letters": ("2100-01-01t18:00:00z", "2100-01-01t19:00:00z"),
    "an end that the clock shows earlier": ("2100-01-01T18:00:00+14:00", "2100-01-01T17:00:00Z"),
    "a leap day": ("2096-02-29T23:59:59.5Z", "2096-03-01T00:00:00.25Z"),
    "the first moment": ("1900-01-01T23:59:00+23:59", "1900-01-01T23:59:00+23:58"),
    "the last moment": ("2199-12-31T00:00:59.999999-23:58", "2199-12-31T00:00:59.999999-23:59"),
}
BAD_SPANS: dict[str, tuple[str, str]] = {
    "no time": ("2100-01-01T18:00:00Z", "2100-01-01T18:00:00Z"),
    "no time by offsets": ("2100-01-01T18:00:00Z", "2100-01-01T19:00:00+01:00"),
    "a microsecond too few": ("2100-01-01T18:00:00.000001Z", "2100-01-01T18:00:00Z"),
    "a microsecond more than 24 hours": ("2100-01-01T18:00:00Z", "2100-01-02T18:00:00.000001Z"),
    "three centuries": ("1900-01-01T00:00:00Z", "2199-12-31T23:59:59Z"),
    "three centuries back": ("2199-12-31T23:59:59Z", "1900-01-01T00:00:00Z"),
    "an end that only the clock shows later": (
        "2100-01-01T18:00:00Z",
        "2100-01-01T19:00:00+14:00",
    ),
}
BAD_EMAILS: dict[str, str] = {
    "no address": "MARK",
    "two at signs": "MARK@MARK@example.com",
    "no domain": "MARK@",
    "no name": "@example.com",
    "a number for a domain": "MARK@[127.0.0.1]",
    "a domain without a point": "MARK@localhost",
    "quotation marks": '\\"MARK MARK\\"@example.com',
    "a comment": "(MARK)a@example.com",
    "a line break within": "MARK@example.com\\nBcc: x@example.com",
    "NUL": "MARK\\u0000@example.com",
    "a lone surrogate": "MARK\\ud800@example.com",
    "broken punycode": "MARK@xn--0.com",
    "long punycode": "MARK@xn--" + "9" * 58 + ".com",
    "punycode of combining marks": "MARK@xn--\u0301.com",
    "a point of another script": "MARK@\u3002.com",
    "two directions": "MARK@\u05d0a.com",
    "60 000 letters": "x" * 60_000 + "@example.com",
    "30 000 labels": "MARK@" + "b." * 30_000 + "com",
    "20 000 ligatures": "a@" + "\ufdfa" * 20_000 + ".com",
    "30 000 combining marks": "a" + "\u0301" * 15_000 + "\u0316" * 15_000 + "@example.com",
}
BAD_IDS: dict[str, str] = {
    "a word": MARK,
    "in braces": f"{{{NOBODY}}}",
    "as a URN": f"urn:uuid:{NOBODY}",
    "without hyphens": NOBODY.replace("-", ""),
    "with a digit too many": f"{NOBODY}0",
    "with another script's digits": "\u0660" + NOBODY[1:],
    "with NUL": f"{NOBODY}\0",
    "with a line break": f"{NOBODY}\n",
    "with a space": f" {NOBODY}",
    "a number": "1",
    "10 000 characters": MARK + "0" * 10_000,
}

TEXT_FIELDS = {
    "categories": ("name", "description"),
    "centres": ("name", "address", "owner"),
    "athletes": ("name", "reference", "national_id"),
    "trainings": ("name", "coach"),
}
NAME_FIELDS = {
    "categories": "<category>",
    "centres": "<centre>",
    "athletes": "<athlete>",
    "trainings": "<training>",
}
"""One of each of those that have a name."""
NUMBER_FIELDS = {
    "centres": ("capacity",),
    "athletes": ("height_cm", "weight_kg"),
    "trainings": ("capacity",),
}
REQUIRED: dict[str, dict[str, Any]] = {
    "categories": {},
    "centres": {},
    "athletes": {"category_id": "<category>"},
    "trainings": {"centre_id": "<centre>", "capacity": 12, **LATER},
}


def with_value(collection: str, field: str, value: str) -> str:
    """Write the JSON of a new resource that is fine but for one field."""
    name = f"{field} {blake2b(value.encode(), digest_size=8).hexdigest()}"
    fields = {"name": name, **REQUIRED[collection], field: "<value>"}
    return json.dumps(fields).replace('"<value>"', value.replace("MARK", MARK))


def at_things(path: str) -> str:
    """Put placeholders of what is there into a path of the document."""
    return re.sub(r"{(\w+)_id}", r"<\1>", path)


# Spellings of the taken name, which is one in whatever case, accents and invisible characters.

TWINS: dict[str, str] = {
    "the same": TAKEN,
    "upper case": TAKEN.upper(),
    "a sharp s": "Stra\u00dfe Élite",
    "a capital sharp s": "Stra\u1e9ee Élite",
    "long s": "\u017ftra\u017f\u017fe Élite",
    "full width": "\uff33\uff54\uff52asse Élite",
    "mathematical": "\U0001d412trasse Élite",
    "circled": "\u24c8trasse Élite",
    "superscript": "\u02e2trasse Élite",
    "decomposed": "Strasse E\u0301lite",
    "without accents": "Strasse Elite",
    "with more accents": "Str\u0301\u0316a\u0301sse Élite",
    "a dotted capital i": "Strasse Él\u0130te",
    "a ligature": "Stra\ufb06".replace("\ufb06", "s\u017f") + "e Élite",
    "a no-break space": "Strasse\u00a0Élite",
    "an ideographic space": "Strasse\u3000Élite",
    "a line separator": "Strasse\u2028Élite",
    "spaces all around": " \t Strasse \n  Élite\u2003",
    "a zero-width joiner": "Stra\u200dsse Élite",
    "a zero-width non-joiner": "Stra\u200csse Élite",
    "a zero-width space": "Stra\u200bsse Élite",
    "a soft hyphen": "Stra\u00adsse Élite",
    "a byte order mark": "\ufeffStrasse Élite",
    "the other direction": "\u202eStrasse Élite\u202c",
    "a variation selector": "Stra\ufe0fsse Élite",
    "a joiner of graphemes": "Stra\u034fsse Élite",
    "a tag": "Strasse\U000e0041 Élite",
    "a Hangul filler": "Strasse\u3164 Élite",
}
STRANGERS: dict[str, str] = {
    "a Cyrillic letter": "Strass\u0435 Élite",
    "a dotless i": "Strasse Él\u0131te",
    "without the space": "StrasseÉlite",
}

# Paths, of which none is there.

NOWHERE = (
    "/nothing",
    "//",
    "//api/v1/categories",
    "/api//v1/categories",
    f"{API}/categories/",
    f"{API}/categories%0A",
    f"{API}/categories%0D%0A",
    f"{API}/categories%00",
    f"{API}/categories%2F",
    f"{API}/categories%20",
    f"{API}/categories;x=1",
    f"{API}/categories/<category>%0A",
    f"{API}/categories/<category>/",
    f"{API}/./categories",
    f"{API}/x/../categories",
    f"{API}/%2e%2e/v1/categories",
    "/API/V1/CATEGORIES",
    "/health/live%0A",
    "/%0A",
    "/%00",
    "/%ff",
    "/%ed%a0%80",
    "/%c0%ae%c0%ae/etc/passwd",
    "/%",
    "/%zz",
    "/%%%25",
    "/..%2f..%2fpyproject.toml",
    f"/{MARK}{'x' * 8000}",
    f"/{'a/' * 4000}",
    "/static-offline-docs",
    "/static-offline-docs/",
    "/static-offline-docs/%00",
    "/static-offline-docs/%ff",
    "/static-offline-docs/..%2f..%2f..%2fpyproject.toml",
    "/static-offline-docs/../../../../../../../../etc/passwd",
    "/static-offline-docs//etc/passwd",
    "/static-offline-docs/..%5c..%5cx",
    "/static-offline-docs/swagger-ui.css/x",
    "/static-offline-docs/swagger-ui.css%00",
    f"/static-offline-docs/{'x' * 5000}",
    f"/static-offline-docs/{'x/' * 3000}",
)

# Query parameters, to every list, which is sorted by ``<sort>``.

BAD_QUERIES: dict[str, str] = {
    "limit of 0": "limit=0",
    "limit below 0": "limit=-1",
    "limit beyond the largest": "limit=101",
    "limit of 5 000 digits": "limit=" + "9" * 5000,
    "limit beyond 64 bits": "limit=9223372036854775808",
    "limit in another script's digits": "limit=%D9%A3",
    "limit with an exponent": "limit=1e1",
    "limit with a plus": "limit=%2B1",
    "limit with an underscore": "limit=1_0",
    "limit in hexadecimal": "limit=0x10",
    "limit with NUL": "limit=1%00",
    "limit with a line break": "limit=1%0A",
    "limit of nothing": "limit=",
    "limit of a word": f"limit={MARK}",
    "limit as an array": "limit[]=1",
    "limit twice": "limit=1&limit=1",
    "limit twice, once escaped": "limit=1&%6cimit=1",
    "limit and a semicolon": "limit=1;offset=2",
    "offset below 0": "offset=-1",
    "offset beyond the largest": "offset=10001",
    "offset beyond 64 bits": "offset=" + "9" * 30,
    "offset of 60 000 digits": "offset=" + "9" * 60_000,
    "offset of null": "offset=null",
    "offset beside a cursor": "offset=1&cursor=<cursor>",
    "total of 1": "total=1",
    "total in upper case": "total=TRUE",
    "total of null": "total=null",
    "sort by nothing": "sort=",
    "sort by SQL": f"sort=<sort>;{MARK}",
    "sort by two": "sort=<sort>,-<sort>",
    "sort with a line break": "sort=<sort>%0A",
    "sort with a plus": "sort=+<sort>",
    "sort in upper case": "sort=CREATED_AT",
    "sort by what others are sorted by": "sort=<another>",
    "a cursor of nothing": "cursor=",
    "a cursor of a word": f"cursor={MARK}",
    "a cursor of padding": "cursor====",
    "a cursor of NUL": "cursor=" + urlsafe_b64encode(b"\0" * 60).decode(),
    "a cursor of surrogates": "cursor=" + urlsafe_b64encode(b"\xed\xa0\x80" * 20).decode(),
    "a cursor of invalid UTF-8": "cursor=" + urlsafe_b64encode(b"\xff" * 60).decode(),
    "a cursor beyond ASCII": "cursor=%C3%A9%F0%9F%98%80",
    "a cursor with a line break": "cursor=<cursor>%0A%00",
    "a cursor of 60 000 letters": "cursor=" + "A" * 60_000,
    "a cursor in the standard alphabet": "cursor=%2B%2F%2B%2F",
    "a cursor twice": "cursor=<cursor>&cursor=<cursor>",
    "a cursor of another list": "cursor=<cursor>&sort=-<sort>",
    "an unknown parameter": f"unknown={MARK}",
    "an unknown parameter without a name": f"={MARK}",
    "an unknown parameter of NUL": f"%00={MARK}",
    "an unknown parameter of a surrogate": f"%ED%A0%80={MARK}",
    "an unknown parameter of 10 000 letters": f"{'x' * 10_000}={MARK}",
    "a known one in upper case": f"LIMIT={MARK}",
    "4 000 unknown ones": "&".join(f"u{number}={MARK}" for number in range(4000)),
    "a question mark too many": "?limit=1",
}
BAD_NAMES_SOUGHT: dict[str, str] = {
    "nothing": "",
    "white space": "%20%E3%80%80",
    "NUL": f"{MARK}%00",
    "a control character": f"{MARK}%1b",
    "invisible characters": "%E2%80%8B%EF%BB%BF",
    "combining marks": "%CC%81",
    "Hangul fillers": "%E3%85%A4",
    "too many characters": MARK * 20,
    "10 000 combining marks": "a" + "%CC%81" * 5_000 + "%CC%96" * 5_000,
}
GOOD_NAMES_SOUGHT: dict[str, str] = {
    "invalid UTF-8": f"{MARK}%FF",
    "a surrogate": f"{MARK}%ED%A0%80",
    "overlong UTF-8": f"{MARK}%C0%80",
    "null": "null",
    "SQL": "%27%3B--%25_%5C",
    "ligatures": "%EF%B7%BA" * 100,
    "half an escape": "%",
}
FORGED_KEYS: dict[str, str] = {
    "nothing": "",
    "a word": MARK,
    "NUL": "\0",
    "10 000 ligatures": "\ufdfa" * 10_000,
    "a naive datetime": "2020-01-01T00:00:00",
    "the beginning of time": "0001-01-01T00:00:00+00:00",
    "a time before the beginning": "0001-01-01T00:00:00+23:59",
    "the end of time": "9999-12-31T23:59:59.999999+00:00",
    "a time after the end": "9999-12-31T23:59:59.999999-23:59",
    "no such time": "2020-02-30T24:61:00+99:99",
    "infinity": "infinity",
}
"""Sort keys in cursors that are made for the right list, but not by the service."""
GOOD_QUERIES: dict[str, str] = {
    "nothing": "",
    "ampersands": "&&&",
    "the largest offset": "offset=10000&limit=100&total=true&sort=-<sort>",
}
MOMENTS_SOUGHT = ("from", "to", "at")
BACKWARDS = "from=2199-12-31T23:59:59.999999Z&to=1900-01-01T00:00:00Z"
GOOD_FILTERS: dict[str, dict[str, str]] = {
    "trainings": {
        "from after to": BACKWARDS,
        "cancelled, and available": "status=cancelled&available=true",
        "a centre of nobody": f"centre_id={NOBODY}",
    },
    "athletes/<athlete>/bookings": {"from after to": f"{BACKWARDS}&status=waitlisted"},
}

BAD_FILTERS: dict[str, dict[str, str]] = {
    "athletes": {
        "sex unknown": f"sex={MARK}",
        "sex of null": "sex=null",
        "reference of nothing": "reference=",
        "reference of NUL": f"reference={MARK}%00",
        "reference too long": f"reference={MARK * 10}",
        "another resource's filter": f"capacity={MARK}",
        "somebody's national id": f"national_id={MARK}",
    },
    "trainings": {
        "status unknown": f"status={MARK}",
        "status of null": "status=null",
        "status of nothing": "status=",
        "status in upper case": "status=SCHEDULED",
        "status of bookings": "status=reserved",
        "two states": "status=scheduled,cancelled",
        "available maybe": "available=maybe",
        "available of 1": "available=1",
        "available of null": "available=null",
        "available in upper case": "available=TRUE",
        "name": f"name={MARK}",
        "coach": f"coach={MARK}",
        "capacity": "capacity=1",
    },
    "trainings/<training>/bookings": {
        "status unknown": f"status={MARK}",
        "status of trainings": "status=scheduled",
        "status with a space": "status=checked%20in",
        "from": "from=2100-01-01T18:00:00Z",
        "athlete": "athlete_id=<athlete>",
        "another training": "training_id=<cancelled>",
    },
    "athletes/<athlete>/bookings": {
        "status unknown": f"status={MARK}",
        "status of trainings": "status=scheduled",
        "another athlete": f"athlete_id={NOBODY}",
        "training": "training_id=<training>",
        "available": "available=true",
    },
    "centres/<centre>/occupancy": {
        "at twice": "at=2100-01-01T18:00:00Z&at=2100-01-01T18:00:00Z",
        "at and from": "at=2100-01-01T18:00:00Z&from=2100-01-01T18:00:00Z",
        "another centre": f"centre_id={NOBODY}",
        "limit": "limit=1",
    },
}

# Headers.

HARMLESS_HEADERS: dict[str, Headers] = {
    "a request id beyond ASCII": (("X-Request-ID", f"{MARK}é".encode()),),
    "a request id with spaces": (("X-Request-ID", f"{MARK} {MARK}"),),
    "a request id of markup": (("X-Request-ID", f"<{MARK}>"),),
    "a request id of 60 000 letters": (("X-Request-ID", MARK + "x" * 60_000),),
    "a request id of nothing": (("X-Request-ID", ""),),
    "If-None-Match of garbage": (("If-None-Match", f'{MARK}, "", W/, "\xff", ","'),),
    "If-None-Match of 10 000 tags": (("If-None-Match", f'"1-{MARK}", ' * 5000),),
    "If-None-Match that ends in a tag": (("If-None-Match", f'"{MARK}' + '"' * 30_001),),
    "If-None-Match of a star among others": (("If-None-Match", f'*, "{MARK}"'),),
    "If-Modified-Since of garbage": (("If-Modified-Since", "9" * 5000),),
    "a range": (("Range", "bytes=0-1,5-,-9"),),
    "a range of garbage": (("Range", f"{MARK}=" + "0-1," * 5000),),
    "an unknown Accept": (("Accept", f"{MARK}/{MARK};q=nan"),),
    "an unknown Accept-Encoding": (("Accept-Encoding", f"{MARK};q=-1"),),
    "an unknown Accept-Charset": (("Accept-Charset", "utf-16"),),
    "an expectation of garbage": (("Expect", MARK),),
    "another method by a header": (
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "DELETE"),
    ),
    "a forged host": (("Host", f"{MARK}.example"),),
    "an empty host": (("Host", ""),),
    "a forged host with markup": (("Host", f'"><script>{MARK}'),),
    "a forged host beyond ASCII": (("Host", f"{MARK}é".encode()),),
    "a forged host with a path": (("Host", f"{MARK}.example/x?y#z@{MARK}"),),
    "a forged proxy": (
        ("X-Forwarded-Host", f"{MARK}.example"),
        ("X-Forwarded-For", f"{MARK}, 127.0.0.1"),
        ("X-Forwarded-Proto", MARK),
        ("X-Forwarded-Prefix", f"/{MARK}"),
        ("X-Forwarded-Port", MARK),
        ("Forwarded", f"for={MARK};host={MARK}.example;proto={MARK}"),
        ("X-Real-IP", MARK),
        ("X-Script-Name", f"/{MARK}"),
    ),
    "another path by a header": (("X-Original-URL", f"/{MARK}"), ("X-Rewrite-URL", f"/{MARK}")),
    "an origin of nobody": (("Origin", f"https://{MARK}.example"),),
    "a broken cookie": (("Cookie", f"{MARK}; =; a==b;;"),),
    "a broken authorization": (("Authorization", f"Basic {MARK}"),),
    "a header of 60 000 letters": (("X-Long", MARK * 7_500),),
    "200 headers of one name": tuple(("X-Again", MARK) for _ in range(200)),
    "bytes beyond ASCII": (("X-Bytes", b"\x80\xff" + MARK.encode()),),
    "an upgrade to another protocol": (("Connection", "upgrade"), ("Upgrade", "h2c")),
    "an upgrade to a web socket": (
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("Sec-WebSocket-Version", "13"),
    ),
}
STALE_TAGS: dict[str, Headers] = {
    "nothing": (("If-Match", ""),),
    "a word": (("If-Match", MARK),),
    "a number": (("If-Match", "1"),),
    "an open quotation mark": (("If-Match", f'"1-{MARK}'),),
    "a weak tag": (("If-Match", 'W/"1-0"'),),
    "a star in quotation marks": (("If-Match", '"*"'),),
    "version 0": (("If-Match", '"0-0"'),),
    "a version below 0": (("If-Match", '"-1-0"'),),
    "a version beyond 32 bits": (("If-Match", '"2147483648-0"'),),
    "a version beyond 64 bits": (("If-Match", '"99999999999999999999-0"'),),
    "a version of 5 000 digits": (("If-Match", f'"{"9" * 5000}-0"'),),
    "another script's digits": (("If-Match", '"\u0661-0"'.encode()),),
    "bytes beyond ASCII": (("If-Match", b'"\xff\xfe"'),),
    "5 000 tags": (("If-Match", ", ".join(f'"{n}-{MARK}"' for n in range(2, 5002))),),
    "two headers": (("If-Match", f'"{MARK}"'), ("If-Match", '"999-0"')),
}
BAD_KEYS: dict[str, Headers] = {
    "nothing": (("Idempotency-Key", ""),),
    "256 characters": (("Idempotency-Key", MARK * 32),),
    "60 000 characters": (("Idempotency-Key", MARK * 7_500),),
    "a space": (("Idempotency-Key", f"{MARK} {MARK}"),),
    "a tab": (("Idempotency-Key", f"{MARK}\t{MARK}"),),
    "bytes beyond ASCII": (("Idempotency-Key", f"{MARK}é".encode()),),
    "two keys": (("Idempotency-Key", MARK), ("Idempotency-Key", MARK)),
}
NOT_DECLARED_JSON = (
    "text/json",
    "text/plain; application/json",
    "application/json, text/plain",
    "application/jsonx",
    "application/x-www-form-urlencoded",
    f"multipart/form-data; boundary={MARK}",
    "application",
    "/",
    ";",
    "*/*",
    MARK,
    f"application/{MARK}/json",
    "text/csv",
)
DECLARED_JSON = (
    "APPLICATION/JSON",
    "application/json;",
    "application/json; charset=utf-16",
    f"application/json; charset={MARK}",
    "application/json; charset*=utf-16''x",
    f"application/json; charset*{'9' * 5000}=x",
    'application/json; charset="',
    f"application/{MARK}+json",
)
NOT_DECLARED_CSV = (
    "application/json",
    "text/plain",
    "text/csv/x",
    "text/csv, text/csv",
    "text/csv; charset=utf-16",
    f"text/csv; charset={MARK}",
    "text/csv; charset=",
    "text/csv; charset",
    "text/csv; charset=utf-8; charset=utf-16",
    "text/csv; charset*=utf-16''x",
    "text/csv; charset*=unicode_escape''%5Cd",
    "text/csv; charset*=punycode''%ff",
    f"text/csv; charset*{'9' * 5000}=x",
    f"text/csv; charset*{'9' * 5000}*=x",
)
DECLARED_CSV = (
    'TEXT/CSV; charset="UTF-8"',
    "text/csv;charset=utf8",
    "text/csv; header=present; x",
    f"text/csv; x*{'9' * 5000}=x",
)

# Files.

BAD_FILES: dict[str, tuple[int, bytes]] = {
    "nothing": (422, b""),
    "NUL alone": (422, b"\0"),
    "no header": (422, b"\n\n\n"),
    "an unknown header": (422, MARK.encode()),
    "a header with an open quotation mark": (422, b'"name,' + MARK.encode()),
    "a header that names a column twice": (422, b"name,NAME\n" + MARK.encode()),
    "semicolons": (422, b"name;category\n" + MARK.encode()),
    "UTF-16": (400, f"name\n{MARK}".encode("utf-16")),
    "UTF-16 without a mark": (422, f"name\n{MARK}".encode("utf-16-be")),
    "UTF-32": (400, f"name\n{MARK}".encode("utf-32")),
    "invalid UTF-8": (400, b"name\n" + MARK.encode() + b"\xff"),
    "a surrogate in UTF-8": (400, b"name\n" + MARK.encode() + b"\xed\xa0\x80"),
    "gzip": (400, gzip.compress(b"name\n" + MARK.encode())),
    "a line of more than 1 MiB": (422, b"name\n" + MARK.encode() * 140_000),
    "one line of 20 MB": (422, b"x" * TWENTY_MB),
    "20 MB of NUL": (422, bytes(TWENTY_MB)),
}
ROWS = "reference,name,category,centres,email,national_id,birth_date,height,weight,id\n"
REJECTED_ROWS: dict[str, str] = {
    "NUL": "a\0,b,c,,,,,,,\n",
    "a control character": "a,b\x1b[31m,c,,,,,,,\n",
    "a lone quotation mark": 'a,b"c,d,,,,,,,\n',
    "an open quotation mark": '"a,b,c,,,,,,,\nd,e,f,,,,,,,\n',
    "too few cells": "a,b\n",
    "too many cells": "a,b,c,,,,,,,,,,,\n",
    "a row of 120 000 characters": "a" * 120_000 + ",b,c,,,,,,,\n",
    "an unclosed row of 120 000 characters": '"' + "a\n" * 60_000 + ",b,c,,,,,,,\n",
    "40 000 combining marks as name": "a,e" + "\u0301" * 20_000 + "\u0316" * 20_000 + ",c,,,,,,,\n",
    "40 000 combining marks as email": "a,b,c,,e"
    + "\u0301" * 20_000
    + "\u0316" * 20_000
    + "@x.com,,,,,\n",
    "40 000 combining marks as centres": "a,b,c,e"
    + "\u0301" * 20_000
    + "\u0316" * 20_000
    + ",,,,,,\n",
    "40 000 combining marks as height": "a,b,c,,,,,e"
    + "\u0301" * 20_000
    + "\u0316" * 20_000
    + ",,\n",
    "a bad email": "a,b,c,,@,,,,,\n",
    "a bad date": "a,b,c,,,,0000-00-00,,,\n",
    "a height of NaN": "a,b,c,,,,,NaN,,\n",
    "a height of 1e999": "a,b,c,,,,,1e999,,\n",
    "a height of 5 000 digits": f"a,b,c,,,,,{'9' * 5000},,\n",
    "a weight of another script's digits": "a,b,c,,,,,,\u0668\u0660,\n",
    "an id that is none": "a,b,c,,,,,,,{1}\n",
    "a name of a Hangul filler": "a,\u3164,c,,,,,,,\n",
    "51 characters for a category": f"a,b,{'c' * 51},,,,,,,\n",
}


def _every_method_on_every_path(document: Document) -> Iterator[Hostile]:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", INVENTED)
    unlisted: Document = {
        "/docs": {"get": {}},
        "/openapi.json": {"get": {}},
        "/static-offline-docs/x": None,
    }
    for path, operations in {**document["paths"], **unlisted, "/nothing": None}.items():
        target = re.sub(r"{\w+}", NOBODY, path)
        for method in methods:
            listed = {"HEAD": "get"}.get(method, method.lower())
            if operations is None:
                answers = {404, 405} if path.startswith("/static") else {404}
            elif listed in operations:
                # A body that is missing is invalid or no CSV, and there is nobody of that id.
                answers = {200, 404} if method in {"GET", "HEAD"} else {404, 415, 422}
            elif method == "OPTIONS":
                answers = {204}
            else:
                # For these methods, the word after /athletes/ is an id that is none.
                answers = {405, 422} if path.startswith(f"{API}/athletes/") else {405}
            if method == "OPTIONS" and path.startswith("/static"):
                answers = {204}
            yield hostile(f"{method} {path}", method, target, answers)


def _paths(document: Document) -> Iterator[Hostile]:
    for target in NOWHERE:
        for method in ("GET", "HEAD", "POST", "DELETE"):
            static = target.startswith("/static-offline-docs/") and method in {"POST", "DELETE"}
            answers = {405} if static else {404}
            yield hostile(f"{method} {target[:60]}", method, target, answers)
    for path, operations in document["paths"].items():
        for parameter in re.findall(r"{(\w+)}", path):
            for kind, bad in BAD_IDS.items():
                target = at_things(path.replace(f"{{{parameter}}}", quote(bad, safe="")))
                for method in operations:
                    name = f"{method} {path}, {parameter} {kind}"
                    # One that ends in a line break is the end of no path.
                    yield hostile(name, method.upper(), target, {404, 422})
    proxied = f"http://{MARK}.example{API}/categories"
    yield hostile("another host in the target", "GET", proxied, 200)
    yield hostile(
        "another host in the target of a POST", "POST", proxied, 201, JSON, body='{"name": "far"}'
    )


Parameters = dict[str, dict[str, Any]]


def _queried(document: Document) -> Iterator[tuple[str, Parameters]]:
    """Yield the path of each GET, and the schemas of its query parameters."""
    for path, operations in document["paths"].items():
        if "get" in operations:
            parameters = operations["get"].get("parameters", [])
            queried = {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}
            yield at_things(path), queried


def _queries(document: Document) -> Iterator[Hostile]:
    for path, parameters in _queried(document):
        if "limit" in parameters:
            yield from _queries_of_list(path, parameters["sort"]["default"])
        if "name" in parameters:
            for kind, name in BAD_NAMES_SOUGHT.items():
                yield hostile(f"{path}: name of {kind}", "GET", f"{path}?name={name}", 422)
            for kind, name in GOOD_NAMES_SOUGHT.items():
                yield hostile(f"{path}: name of {kind}", "GET", f"{path}?name={name}", 200)
        for parameter in filter(parameters.__contains__, MOMENTS_SOUGHT):
            yield from _moments_in_query(path, parameter)
        for parameter in filter(parameters.__contains__, ("category_id", "centre_id")):
            for kind, bad in BAD_IDS.items():
                target = f"{path}?{parameter}={quote(bad)}"
                yield hostile(f"{path}: {parameter} {kind}", "GET", target, 422)
    for path, table, scope, sorts in (
        ("categories", "Category", "", ("name", "created_at", "-created_at")),
        ("trainings", "Training", "", ("starts_at", "-starts_at")),
        (f"trainings/{NOBODY}/bookings", "Booking", "training_id", ("booked_at", "-booked_at")),
        (f"athletes/{NOBODY}/bookings", "Booking", "athlete_id", ("starts_at", "-starts_at")),
    ):
        within = {scope: UUID(NOBODY)} if scope else {}
        # What the path names is not there, which is noticed once the cursor is read.
        answers = {404, 422} if scope else {200, 422}
        for kind, key in FORGED_KEYS.items():
            for sort in sorts:
                place = f"{name_of_list(table, within, sort)}{UUID(NOBODY).hex}{key}".encode()
                cursor = urlsafe_b64encode(place).decode()
                target = f"{API}/{path}?sort={sort}&cursor={cursor}"
                yield hostile(f"{path}: a forged cursor of {kind}, {sort}", "GET", target, answers)
    for path, operations in document["paths"].items():
        for method in operations:
            target = f"{at_things(path)}?unknown={MARK}"
            yield hostile(f"{method} {path}: unknown", method.upper(), target, 422)
    for filters, answer in ((GOOD_FILTERS, 200), (BAD_FILTERS, 422)):
        for path, queries in filters.items():
            for kind, query in queries.items():
                yield hostile(f"{path}: {kind}", "GET", f"{API}/{path}?{query}", answer)


def _queries_of_list(path: str, sort: str) -> Iterator[Hostile]:
    another = "starts_at" if sort == "name" else "name"
    for queries, answer in ((BAD_QUERIES, 422), (GOOD_QUERIES, 200)):
        for kind, query in queries.items():
            query = query.replace("<sort>", sort).replace("<another>", another)
            yield hostile(f"{path}: {kind}", "GET", f"{path}?{query}", answer)


def _moments_in_query(path: str, parameter: str) -> Iterator[Hostile]:
    asked = f"{path}?{parameter}="
    for kind, bad in BAD_MOMENTS.items():
        yield hostile(f"{asked} {kind}", "GET", asked + quote(bad), 422)
    for kind, good in GOOD_SPANS.items():
        for moment in good:
            yield hostile(f"{asked} {kind}", "GET", asked + quote(moment), 200)
    offset = "2100-01-01T18:00:00+01:00"
    yield hostile(f"{asked} a plus that is a space", "GET", asked + offset, 422)
    # As Python code calls it, where it must not be called from.
    asked = f"{path}?{parameter}_="
    yield hostile(f"{asked} a moment", "GET", asked + quote(offset), 422)


def _headers(document: Document) -> Iterator[Hostile]:
    for kind, headers in HARMLESS_HEADERS.items():
        for target in (
            f"{API}/categories/<category>",
            f"{API}/categories?limit=1",
            "/",
            "/docs",
            "/openapi.json",
            "/static-offline-docs/swagger-ui.css",
        ):
            yield hostile(f"{kind}, {target}", "GET", target, 200, *headers)
        yield hostile(f"{kind}, nowhere", "GET", "/nothing", 404, *headers)
    for kind, headers in STALE_TAGS.items():
        target = f"{API}/categories/<category>"
        yield hostile(f"If-Match of {kind}", "DELETE", target, 412, *headers)
        yield hostile(f"If-Match of {kind}", "PATCH", target, 412, JSON, *headers, body="{}")
        # It has a booking, and would have more seats: whose change this is comes first.
        target, more = f"{API}/trainings/<training>", json.dumps({"capacity": 2, **LATER})
        yield hostile(f"If-Match of {kind}", "DELETE", target, 412, *headers)
        yield hostile(f"If-Match of {kind}", "PATCH", target, 412, JSON, *headers, body=more)
    for path, operations in document["paths"].items():
        post = operations.get("post", {})
        if "201" not in post.get("responses", {}):
            continue
        for kind, headers in BAD_KEYS.items():
            body, target = f'{{"name": "{MARK}"}}', at_things(path)
            name = f"{path}, key of {kind}"
            yield hostile(name, "POST", target, 422, JSON, *headers, body=body)


def _json_operations(document: Document) -> Iterator[tuple[str, str]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                yield method.upper(), at_things(path)


def _bodies(document: Document) -> Iterator[Hostile]:
    for method, path in _json_operations(document):
        where = f"{method} {path}"
        for kind, body in NOT_JSON.items():
            yield hostile(f"{where}: {kind}", method, path, 400, JSON, body=body)
        for kind, body in TOO_LONG.items():
            yield hostile(f"{where}: {kind}", method, path, 413, JSON, body=body)
            name = f"{where}: {kind}, chunked"
            yield hostile(name, method, path, 413, JSON, body=body, chunked=True)
        for kind, body in NOT_AN_OBJECT.items():
            yield hostile(f"{where}: {kind}", method, path, 422, JSON, body=body)
        for kind, text in STRANGE_FIELDS.items():
            body = text.replace("MARK", MARK).encode()
            yield hostile(f"{where}: {kind}", method, path, 422, JSON, body=body)
        for declared in NOT_DECLARED_JSON:
            name, header = f"{where}: {declared[:40]}", ("Content-Type", declared)
            yield hostile(name, method, path, 415, header, body=f'"{MARK}"')
        for declared in DECLARED_JSON:
            name, header = f"{where}: {declared[:40]}", ("Content-Type", declared)
            yield hostile(name, method, path, 422, header, body=f'"{MARK}"')
        yield hostile(f"{where}: nothing declared", method, path, 415, body=f'"{MARK}"')
        compressed = (JSON, ("Content-Encoding", "gzip"))
        body = gzip.compress(f'{{"name": "{MARK}"}}'.encode())
        yield hostile(f"{where}: compressed", method, path, 400, *compressed, body=body)
        awaited = (JSON, ("Expect", "100-continue"))
        yield hostile(f"{where}: announced", method, path, 422, *awaited, body=f'"{MARK}"')


def _fields(document: Document) -> Iterator[Hostile]:
    for collection, fields in TEXT_FIELDS.items():
        path = f"{API}/{collection}"
        for field in fields:
            for kind, text in BAD_TEXTS.items():
                body = with_value(collection, field, f'"{text}"')
                yield hostile(f"{collection} {field}: {kind}", "POST", path, 422, JSON, body=body)
            for kind, text in NO_TEXTS.items():
                body = with_value(collection, field, text)
                yield hostile(f"{collection} {field}: {kind}", "POST", path, 422, JSON, body=body)
            for kind, text in GOOD_TEXTS.items():
                body = with_value(collection, field, f'"{text}"')
                yield hostile(f"{collection} {field}: {kind}", "POST", path, 201, JSON, body=body)
    for collection, thing in NAME_FIELDS.items():
        path = f"{API}/{collection}"
        for kind, text in INVISIBLE_NAMES.items():
            body = with_value(collection, "name", f'"{text}"')
            yield hostile(f"{collection} name: {kind}", "POST", path, 422, JSON, body=body)
        body = with_value(collection, "name", "null")
        yield hostile(f"{collection} name: null", "POST", path, 422, JSON, body=body)
        one = f"{path}/{thing}"
        yield hostile(f"{one} name: null", "PATCH", one, 422, JSON, body='{"name": null}')
        text = '{"name": "xqmarkqx", "name": 5}'
        yield hostile(f"{collection}: a field twice", "POST", path, 422, JSON, body=text)
    for collection, fields in NUMBER_FIELDS.items():
        path = f"{API}/{collection}"
        for field in fields:
            for kind, number in BAD_NUMBERS.items():
                body = with_value(collection, field, number)
                yield hostile(f"{collection} {field}: {kind}", "POST", path, 422, JSON, body=body)
            for kind, number in GOOD_NUMBERS.items():
                body = with_value(collection, field, number)
                yield hostile(f"{collection} {field}: {kind}", "POST", path, 201, JSON, body=body)
    for zone in (
        "",
        "MARK",
        "UTC\\u0000",
        "../../etc/passwd",
        "utc",
        "Europe/Madrid\\n",
        "Factory",
    ):
        body = with_value("centres", "time_zone", f'"{zone}"')
        yield hostile(f"time zone {zone}", "POST", f"{API}/centres", 422, JSON, body=body)


def _names(document: Document) -> Iterator[Hostile]:
    path, one = f"{API}/categories", f"{API}/categories/<other>"
    for kind, twin in TWINS.items():
        for escaped in (True, False):
            body = json.dumps({"name": twin}, ensure_ascii=escaped)
            yield hostile(f"a twin by {kind}", "POST", path, 409, JSON, body=body)
            yield hostile(f"a twin by {kind}", "PATCH", one, 409, JSON, body=body)
    for kind, stranger in STRANGERS.items():
        body = json.dumps({"name": stranger})
        yield hostile(f"another name by {kind}", "POST", path, 201, JSON, body=body)
    for collection in ("centres", "athletes", "trainings"):
        longest = {"name": "\ufdfa" * 99 + "x", **REQUIRED[collection]}
        body, path = json.dumps(longest, ensure_ascii=False), f"{API}/{collection}"
        yield hostile("100 ligatures that expand", "POST", path, 201, JSON, body=body)


def _athletes(document: Document) -> Iterator[Hostile]:
    path, lookup = f"{API}/athletes", f"{API}/athletes/lookup"
    for kind, date in BAD_DATES.items():
        body = with_value("athletes", "birth_date", date)
        yield hostile(f"birth date: {kind}", "POST", path, 422, JSON, body=body)
    for kind, email in BAD_EMAILS.items():
        body = with_value("athletes", "email", f'"{email}"')
        yield hostile(f"email: {kind}", "POST", path, 422, JSON, body=body)
        body = f'{{"email": "{email.replace("MARK", MARK)}"}}'
        yield hostile(f"look up the email: {kind}", "POST", lookup, 422, JSON, body=body)
    for kind, bad in BAD_IDS.items():
        for field, value in (("category_id", bad), ("centre_ids", [bad])):
            body = json.dumps({"name": "x", "category_id": "<category>", field: value})
            yield hostile(f"{field} {kind}", "POST", path, 422, JSON, body=body)
    for kind, text in {
        "51 centres": json.dumps([NOBODY] * 51),
        "5 000 centres": "[" + "1," * 5000 + "1]",
        "centres in a text": '"<centre>"',
        "centres in an object": '{"0": "<centre>"}',
        "centres in an array of arrays": '[["<centre>"]]',
        "null among centres": '["<centre>", null]',
        "null for centres": "null",
    }.items():
        body = with_value("athletes", "centre_ids", text)
        yield hostile(kind, "POST", path, 422, JSON, body=body)
    again = with_value("athletes", "centre_ids", '["<centre>", "<centre>"]')
    yield hostile("a centre twice", "POST", path, 201, JSON, body=again)
    nowhere = with_value("athletes", "centre_ids", f'["<centre>", "{NOBODY}"]')
    yield hostile("a centre that is not there", "POST", path, 409, JSON, body=nowhere)
    for kind, text in {
        "nobody": "{}",
        "two fields": '{"reference": "xqmarkqx", "email": "xqmarkqx@example.com"}',
        "null": '{"national_id": null}',
        "a personal field": '{"name": "xqmarkqx"}',
        "NUL": '{"national_id": "xqmarkqx\\u0000"}',
    }.items():
        yield hostile(f"look up {kind}", "POST", lookup, 422, JSON, body=text)
    body = f'{{"national_id": "{MARK} else"}}'
    yield hostile("look up somebody else", "POST", lookup, 404, JSON, body=body)
    for method in ("PUT", "DELETE"):
        for who, where in (("<athlete>", NOBODY), (NOBODY, "<centre>"), ("<centre>", "<athlete>")):
            target = f"{path}/{who}/centres/{where}"
            yield hostile(f"{method} {target}", method, target, 404)


def _trainings(document: Document) -> Iterator[Hostile]:
    path, full = f"{API}/trainings", f"{API}/trainings/<training>"
    for field in LATER:
        values = {kind: json.dumps(moment) for kind, moment in BAD_MOMENTS.items()} | NO_MOMENTS
        for kind, value in values.items():
            body = with_value("trainings", field, value)
            yield hostile(f"{field}: {kind}", "POST", path, 422, JSON, body=body)
            body = f'{{"{field}": {value.replace("MARK", MARK)}}}'
            yield hostile(f"change of {field}: {kind}", "PATCH", full, 422, JSON, body=body)
    required = {"name": "Long", **REQUIRED["trainings"]}
    for spans, answer in ((GOOD_SPANS, 201), (BAD_SPANS, 422)):
        for kind, (starts_at, ends_at) in spans.items():
            body = json.dumps({**required, "starts_at": starts_at, "ends_at": ends_at})
            yield hostile(f"{kind} long", "POST", path, answer, JSON, body=body)
    for missing in required:
        body = json.dumps({name: value for name, value in required.items() if name != missing})
        yield hostile(f"no {missing}", "POST", path, 422, JSON, body=body)
    for kind, bad in BAD_IDS.items():
        body = with_value("trainings", "centre_id", json.dumps(bad))
        yield hostile(f"centre_id {kind}", "POST", path, 422, JSON, body=body)
        body = json.dumps({"centre_id": bad})
        yield hostile(f"change of centre_id: {kind}", "PATCH", full, 422, JSON, body=body)
    for value in ("0", "-1", "1001", "null", '"3"', "true"):
        body = with_value("trainings", "capacity", value)
        yield hostile(f"capacity {value}", "POST", path, 422, JSON, body=body)
        body = f'{{"capacity": {value}}}'
        yield hostile(f"change of capacity: {value}", "PATCH", full, 422, JSON, body=body)
    for field in ("status", "taken", "waiting", "seats", "centre", "id"):
        body = with_value("trainings", field, '"MARK"')
        yield hostile(f"{field} given", "POST", path, 422, JSON, body=body)
        yield hostile(f"{field} changed", "PATCH", full, 422, JSON, body=f'{{"{field}": "{MARK}"}}')
    nowhere = with_value("trainings", "centre_id", f'"{NOBODY}"')
    yield hostile("a centre that is not there", "POST", path, 409, JSON, body=nowhere)
    for kind, (answer, fields) in {
        "another centre, that is not there": (409, {"centre_id": NOBODY}),
        "another start": (409, {"starts_at": "2100-01-01T18:00:00.000001Z"}),
        "an end before the start": (409, {"ends_at": "2100-01-01T17:00:00Z"}),
        "as it is, from elsewhere": (200, {"starts_at": "2100-01-02T08:00:00+14:00"}),
    }.items():
        yield hostile(kind, "PATCH", full, answer, JSON, body=json.dumps(fields))
    unbooked = f"{path}/<cancelled>"
    for kind, (starts_at, ends_at) in BAD_SPANS.items():
        body = json.dumps({"starts_at": starts_at, "ends_at": ends_at})
        yield hostile(f"{kind} long", "PATCH", unbooked, 422, JSON, body=body)
    for field, moment in (
        ("starts_at", LATER["ends_at"]),
        ("starts_at", "2099-12-31T18:59:59.999999Z"),
        ("ends_at", LATER["starts_at"]),
        ("ends_at", "2100-01-02T18:00:00.000001Z"),
    ):
        body = json.dumps({field: moment})
        yield hostile(f"{field} alone at {moment}", "PATCH", unbooked, 422, JSON, body=body)
    centre = f"{API}/centres/<centre>"
    yield hostile("no room for trainings", "PATCH", centre, 409, JSON, body='{"capacity": 1}')
    for used in ("<training>", "<athlete>", "<centre>", "<category>"):
        (home,) = (one for one in HOMES if one.endswith(used))
        yield hostile(f"delete {home}", "DELETE", f"{API}/{home}", 409)


def _bookings(document: Document) -> Iterator[Hostile]:
    path = f"{API}/trainings/<training>/bookings"
    for kind, bad in BAD_IDS.items():
        body = json.dumps({"athlete_id": bad})
        yield hostile(f"athlete_id {kind}", "POST", path, 422, JSON, body=body)
    for waitlist in ('"true"', '"MARK"', "1", "0", "1.0", "null", "[]", '{"MARK": true}'):
        body = f'{{"athlete_id": "<athlete>", "waitlist": {waitlist.replace("MARK", MARK)}}}'
        yield hostile(f"waitlist {waitlist}", "POST", path, 422, JSON, body=body)
    for kind, text in {
        "nobody": "{}",
        "null": '{"athlete_id": null}',
        "several": '{"athlete_id": ["<athlete>"]}',
        "twice, the second wrong": '{"athlete_id": "<athlete>", "athlete_id": 5}',
        "another training": '{"athlete_id": "<athlete>", "training_id": "<cancelled>"}',
        "a state": '{"athlete_id": "<athlete>", "status": "checked_in"}',
        "a time": '{"athlete_id": "<athlete>", "booked_at": "1900-01-01T00:00:00Z"}',
    }.items():
        yield hostile(f"book {kind}", "POST", path, 422, JSON, body=text)
    who = '{"athlete_id": "<athlete>"}'
    for kind, (answer, target, text) in {
        "for nobody who is there": (409, path, f'{{"athlete_id": "{NOBODY}"}}'),
        "for a centre": (409, path, '{"athlete_id": "<centre>"}'),
        "again": (409, path, who),
        "what is full": (409, path, '{"athlete_id": "<athlete>", "waitlist": false}'),
        "what is cancelled": (409, path.replace("<training>", "<cancelled>"), who),
        "what is not there": (404, path.replace("<training>", NOBODY), who),
        "a centre": (404, path.replace("<training>", "<centre>"), who),
    }.items():
        yield hostile(f"book {kind}", "POST", target, answer, JSON, body=text)
    free, escaped = path.replace("<training>", "<free>"), '{"\\u0061thlete_id": "<athlete>"}'
    yield hostile("book with an escaped name", "POST", free, 201, JSON, body=escaped)
    not_read = {**NOT_JSON, **TOO_LONG, **NOT_AN_OBJECT}
    # Done before, years too early, or not in yet: it stays as it is.
    for act, answer in (
        ("trainings/<cancelled>/cancel", 200),
        ("bookings/<given up>/cancel", 200),
        ("bookings/<given up>/check-in", 409),
        ("bookings/<booking>/check-in", 409),
        ("bookings/<booking>/check-out", 409),
    ):
        target = f"{API}/{act}"
        for kind, unread in not_read.items():
            yield hostile(f"{target}: {kind}", "POST", target, answer, JSON, body=unread)
        unread = TOO_LONG["20 MB"]
        yield hostile(f"{target}: chunked", "POST", target, answer, body=unread, chunked=True)
        for kind, headers in {**BAD_KEYS, **STALE_TAGS}.items():
            yield hostile(f"{target}: {kind}", "POST", target, answer, *headers)
    for path, operations in document["paths"].items():
        if "post" in operations and "requestBody" not in operations["post"]:
            target = re.sub(r"{\w+}", NOBODY, path)
            for kind, unread in not_read.items():
                yield hostile(f"{target}: {kind}", "POST", target, 404, JSON, body=unread)
    for target in (
        f"{API}/trainings/<booking>/cancel",
        f"{API}/trainings/<centre>/cancel",
        *(f"{API}/bookings/<training>/{act}" for act in ("cancel", "check-in", "check-out")),
        f"{API}/bookings/<booking>/CANCEL",
        f"{API}/bookings/<booking>/check_in",
        f"{API}/bookings/<booking>/check-in/",
        f"{API}/bookings/<booking>/check-in%0A",
        f"{API}/bookings",
        f"{API}/trainings/<training>/bookings/<booking>",
    ):
        yield hostile(target, "POST", target, 404)


def _files(document: Document) -> Iterator[Hostile]:
    path = f"{API}/athletes/import"
    for kind, (status, body) in BAD_FILES.items():
        yield hostile(kind, "POST", path, status, CSV, body=body)
        if body:
            yield hostile(f"{kind}, chunked", "POST", path, status, CSV, body=body, chunked=True)
    for kind, row in REJECTED_ROWS.items():
        yield hostile(kind, "POST", path, 200, CSV, body=ROWS + row)
    marked = f"\ufeff\ufeffname,category\n{MARK},{MARK}\n"
    yield hostile("two byte order marks", "POST", path, {200, 422}, CSV, body=marked)
    for declared in NOT_DECLARED_CSV:
        header = ("Content-Type", declared)
        yield hostile(declared[:50], "POST", path, 415, header, body=f"name\n{MARK}")
    for declared in DECLARED_CSV:
        header = ("Content-Type", declared)
        yield hostile(declared[:50], "POST", path, 422, header, body=MARK)
    compressed = (CSV, ("Content-Encoding", "gzip"))
    body = gzip.compress(b"name\n" + MARK.encode())
    yield hostile("compressed", "POST", path, 400, *compressed, body=body)


PARTS: dict[str, Callable[[Document], Iterator[Hostile]]] = {
    "methods": _every_method_on_every_path,
    "paths": _paths,
    "queries": _queries,
    "headers": _headers,
    "bodies": _bodies,
    "fields": _fields,
    "names": _names,
    "athletes": _athletes,
    "trainings": _trainings,
    "bookings": _bookings,
    "files": _files,
}
"""All requests to an app of an OpenAPI document, by the part of it that they are to break."""


# What no client sends: bytes to a connection of their own, and the statuses of the answers to them,
# one after the other. None means that the client hangs up at once.

_LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
_POST = f"POST {API}/categories HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
_FILE = f"POST {API}/athletes/import HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n".encode()
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_MARK = MARK.encode()

BROKEN: dict[str, tuple[bytes, tuple[int, ...] | None]] = {
    "nothing": (b"", None),
    "empty lines before a request": (b"\r\n\r\n" + _LIVE, (200,)),
    "a handshake of TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), (400,)),
    "another protocol": (b"SSH-2.0-" + _MARK + b"\r\n", (400,)),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
    "an invented method": (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a method in lower case": (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a method of 1 MB": (b"G" * 1_000_000, (400,)),
    "no version": (b"GET /health/live\r\n\r\n", (200,)),
    "an unknown version": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", (400,)),
    "a version in lower case": (b"GET / http/1.1\r\nHost: x\r\n\r\n", (400,)),
    "HTTP/1.0 without a host": (b"GET /health/live HTTP/1.0\r\n\r\n", (200,)),
    "HTTP/1.1 without a host": (b"GET /health/live HTTP/1.1\r\n\r\n", (200,)),
    "two hosts": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", (200,)),
    "a target with a space": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a target with NUL": (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a target beyond ASCII": ("GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(), (400,)),
    "a query beyond ASCII": (f"GET {API}/categories?name=é HTTP/1.1\r\n\r\n".encode(), (400,)),
    "a target without a slash": (b"GET health/live HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a target of 1 MB": (b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a query of 1 MB": (b"GET /?" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "a fragment": (b"GET /health/live#x HTTP/1.1\r\nHost: x\r\n\r\n", (200,)),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", (404,)),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    "another host": (b"GET http://x.example/health/live HTTP/1.1\r\nHost: y\r\n\r\n", (200,)),
    "another scheme": (b"GET gopher://x.example/health/live HTTP/1.1\r\nHost: y\r\n\r\n", (200,)),
    "a header without a colon": (b"GET / HTTP/1.1\r\n" + _MARK + b"\r\n\r\n", (400,)),
    "a header with a space": (b"GET / HTTP/1.1\r\nX Y: " + _MARK + b"\r\n\r\n", (400,)),
    "a header without a name": (b"GET / HTTP/1.1\r\n: " + _MARK + b"\r\n\r\n", (400,)),
    "a header with NUL": (b"GET / HTTP/1.1\r\nX: " + _MARK + b"\0\r\n\r\n", (400,)),
    "a header with a carriage return": (
        b"GET / HTTP/1.1\r\nX: " + _MARK + b"\rY: 1\r\n\r\n",
        (400,),
    ),
    "a folded header": (b"GET / HTTP/1.1\r\nX: 1\r\n 2\r\n\r\n", (400,)),
    "a header of 1 MB": (
        b"GET /health/live HTTP/1.1\r\nX: " + _MARK * 125_000 + b"\r\n\r\n",
        (200,),
    ),
    "10 000 headers": (b"GET /health/live HTTP/1.1\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n", (200,)),
    "lines that end in LF": (b"GET /health/live HTTP/1.1\nHost: x\n\n", (400,)),
    "a length below zero": (_POST + b"Content-Length: -1\r\n\r\n{}", (400,)),
    "a length with a plus": (_POST + b"Content-Length: +2\r\n\r\n{}", (400,)),
    "a length in words": (_POST + b"Content-Length: two\r\n\r\n{}", (400,)),
    "a length beyond 64 bits": (_POST + b"Content-Length: 18446744073709551616\r\n\r\n{}", (400,)),
    "a length of 64 bits": (_POST + b"Content-Length: 18446744073709551615\r\n\r\n{}", (413,)),
    "one length twice": (_POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", (400,)),
    "two lengths": (_POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", (400,)),
    "two lengths in one": (_POST + b"Content-Length: 2, 2\r\n\r\n{}", (400,)),
    "a length and chunks": (
        _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        (400,),
    ),
    "an unknown coding": (_POST + b"Transfer-Encoding: " + _MARK + b"\r\n\r\n{}", (400,)),
    "chunks that are not the last coding": (
        _POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        (400,),
    ),
    "chunks of no size": (_CHUNKED + b"\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks of a size that is no number": (_CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks of a size below zero": (_CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks of a size beyond 64 bits": (_CHUNKED + b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks that are longer than they say": (_CHUNKED + b"1\r\n{}\r\n0\r\n\r\n", (400,)),
    "chunks with extensions": (_CHUNKED + b"2;x=y\r\n{}\r\n0\r\n\r\n", (422,)),
    "chunks with trailers": (_CHUNKED + b"2\r\n{}\r\n0\r\nX: y\r\n\r\n", (422,)),
    "chunks of one byte": (
        _CHUNKED + b"1\r\n{\r\n" + b"1\r\n \r\n" * 5000 + b"1\r\n}\r\n0\r\n\r\n",
        (422,),
    ),
    "twenty requests at once": (_LIVE * 20, (200,) * 20),
    "a request after a refusal": (_POST + b"Content-Length: 2\r\n\r\n{}" + _LIVE, (422, 200)),
    "a request after one that is broken": (b"BREW / HTTP/1.1\r\n\r\n" + _LIVE, (400,)),
    "a request within a body": (_POST + b"Content-Length: %d\r\n\r\n" % len(_LIVE) + _LIVE, (400,)),
    "half a line": (b"GET /heal", None),
    "half the headers": (b"GET / HTTP/1.1\r\nHo", None),
    "headers alone": (_POST + b"Content-Length: 9\r\n\r\n", None),
    "half a body": (_POST + b'Content-Length: 90\r\n\r\n{"name": "' + _MARK, None),
    "half a chunk": (_CHUNKED + b'ff\r\n{"name": "' + _MARK, None),
    "half a file": (_FILE + b"Content-Length: 900\r\n\r\nname,category\n" + _MARK, None),
    "half a chunk of a file": (_FILE + b"Transfer-Encoding: chunked\r\n\r\nff\r\nname\n", None),
    "a request whose answer nobody awaits": (_LIVE, None),
    "a file whose answer nobody awaits": (
        f"GET {API}/athletes/export HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        None,
    ),
}
