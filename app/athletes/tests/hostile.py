"""Hostile requests about athletes: lookups, enrolments and files."""

import gzip
from collections.abc import Iterator

from app.api.tests.hostile.requests import (
    CSV,
    JSON,
    MARK,
    TWENTY_MB,
    Feature,
    Hostile,
    Thing,
    hostile,
)
from app.conftest import API

BAD_FILTERS = {
    "reference too long": f"reference={MARK * 10}",
    "another resource's filter": f"capacity={MARK}",
    "somebody's national id": f"national_id={MARK}",
}
BAD_LOOKUPS: dict[str, str] = {
    "two fields": f'{{"reference": "{MARK}", "email": "{MARK}@example.com"}}',
    "a personal field": f'{{"name": "{MARK}"}}',
    "NUL": f'{{"national_id": "{MARK}\\u0000"}}',
}
DAYS_OF_NOBODY = ("9999-12-31", "0001-01-01")
"""Birth dates that are out of range."""
BAD_FILES: dict[str, tuple[int, bytes]] = {
    "nothing": (422, b""),
    "NUL alone": (422, b"\0"),
    "no header": (422, b"\n\n\n"),
    "an unknown header": (422, MARK.encode()),
    "a header with an open quotation mark": (422, b'"name,' + MARK.encode()),
    "a header that names a column twice": (422, b"name,NAME\n" + MARK.encode()),
    "bars for separators": (422, b"name|category\n" + MARK.encode()),
    "a named separator that is not supported": (422, b"sep=|\nname|" + MARK.encode()),
    "a named separator alone": (422, b"sep=;\n"),
    "UTF-16 that ends in the middle": (400, f"name\n{MARK}".encode("utf-16") + b"\0"),
    "a lone surrogate in UTF-16": (400, f"name\n{MARK}".encode("utf-16") + b"\0\xd8a\0"),
    "UTF-16 without a mark": (422, f"name\n{MARK}".encode("utf-16-be")),
    "UTF-32": (400, f"name\n{MARK}".encode("utf-32")),
    "invalid UTF-8": (400, b"name\n" + MARK.encode() + b"\xff"),
    "a surrogate in UTF-8": (400, b"name\n" + MARK.encode() + b"\xed\xa0\x80"),
    "gzip": (400, gzip.compress(b"name\n" + MARK.encode())),
    "a line of more than 1 MiB": (422, b"name\n" + MARK.encode() * 140_000),
    "one line of 20 MB": (422, b"x" * TWENTY_MB),
    "20 MB of NUL": (422, bytes(TWENTY_MB)),
}
"""The status code and the file, by what is wrong with the file."""
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
"""Rows that are rejected, without effect on other rows."""
BAD_OPTIONS: dict[str, str] = {
    "no title": "map=name=",
    "an invisible title": "map=name=%E2%80%8B",
    "no column": f"map=={MARK}",
    "an unknown column": f"map={MARK}={MARK}",
    "a title that is not there": f"map=name={MARK}",
    "100 titles": f"map=name={f'{MARK}+%2B+' * 100}x",
    "a title in another column": "map=name=reference&map=name=reference",
    "a column twice": "set=sex=F&set=sex=F",
    "a mapped column": "map=category=name&set=category=Rx",
    "a unique column": f"set=national_id={MARK}",
    "a bad value": f"set=height={MARK}",
    "3 000 mappings": "&".join(["map=name=reference"] * 3000),
    "a null byte": f"set=category={MARK}%00",
    "a codec that is no encoding": "encoding=unicode_escape",
    "a path for an encoding": "encoding=../../etc",
    "another order": "dates=ymd",
    "no encoding": "encoding=",
    "an unknown encoding": f"encoding={MARK}",
    "a codec of bytes": "encoding=base64",
    "an encoding with another letter": "encoding=cp1252%C3%A9",
    "an encoding and NUL": "encoding=cp1252%00",
    "an encoding and a line break": "encoding=cp1252%0A",
    "a module": "encoding=app.core.csv",
}
"""Options of an import that are refused."""
STRANGE_OPTIONS: dict[str, str] = {
    "an encoding of two bytes": "encoding=utf-16-le",
    "an encoding of several bytes": "encoding=gb18030",
}
"""Options of an import whose answer depends on the file."""


def _people() -> Iterator[Hostile]:
    path, lookup = f"{API}/athletes", f"{API}/athletes/lookup"
    for day in DAYS_OF_NOBODY:
        body = f'{{"name": "x", "category_id": "<category>", "birth_date": "{day}"}}'
        yield hostile(f"born {day}", "POST", path, 422, JSON, body=body, breaks="/birth_date")
        body, one = f'{{"birth_date": "{day}"}}', f"{path}/<athlete>"
        yield hostile(f"born {day}", "PATCH", one, 422, JSON, body=body, breaks="/birth_date")
    for kind, body in BAD_LOOKUPS.items():
        yield hostile(f"look up {kind}", "POST", lookup, 422, JSON, body=body)
    body = f'{{"national_id": "{MARK} else"}}'
    yield hostile("look up somebody else", "POST", lookup, 404, JSON, body=body)
    for method in ("PUT", "DELETE"):
        target = f"{path}/<centre>/centres/<athlete>"
        yield hostile(f"{method} {target}", method, target, 404)
    yield hostile("delete who has booked", "DELETE", f"{path}/<athlete>", 409)


def _files() -> Iterator[Hostile]:
    path = f"{API}/athletes/import"
    for kind, (status, body) in BAD_FILES.items():
        yield hostile(kind, "POST", path, status, CSV, body=body)
        if body:
            yield hostile(f"{kind}, chunked", "POST", path, status, CSV, body=body, chunked=True)
    for kind, row in REJECTED_ROWS.items():
        yield hostile(kind, "POST", path, 200, CSV, body=ROWS + row)
    for kind, query in BAD_OPTIONS.items():
        target = f"{path}?{query}"
        breaks = f"?{query.partition('=')[0]}" if "&set" not in query else "?set"
        yield hostile(kind, "POST", target, 422, CSV, body=ROWS + "a,,c\n", breaks=breaks)
    for kind, query in STRANGE_OPTIONS.items():
        for file, (_, body) in BAD_FILES.items():
            if len(body) == TWENTY_MB:
                continue
            name = f"{kind}: {file}"
            yield hostile(name, "POST", f"{path}?{query}", {400, 422}, CSV, body=body)
    for kind, row in REJECTED_ROWS.items():
        for query in ("dry_run=true", "dates=mdy&map=name=category&set=sex=F&dry_run=true"):
            name = f"{kind}, {query}"
            yield hostile(name, "POST", f"{path}?{query}", 200, CSV, body=ROWS + row)
    marked = f"\ufeff\ufeffname,category\n{MARK},{MARK}\n"
    yield hostile("two byte order marks", "POST", path, {200, 422}, CSV, body=marked)


def _requests() -> Iterator[Hostile]:
    yield from _people()
    yield from _files()


FEATURE = Feature(
    things=(
        Thing(
            "<athlete>",
            "athletes",
            {"name": "Ada", "category_id": "<category>", "centre_ids": ["<centre>"]},
            "athletes/<athlete>",
        ),
    ),
    filters={"athletes": BAD_FILTERS},
    requests=_requests,
    reports={
        "athletes/import": {
            "athletes": "created",
            "categories": "new_categories",
            "centres": "new_centres",
        }
    },
)
