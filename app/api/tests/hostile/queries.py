"""Queries: bad values for every parameter by its schema, and forged cursors."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote
from uuid import UUID

from app.api.tests.hostile.features import every_feature
from app.api.tests.hostile.requests import MARK, Hostile, hostile
from app.api.tests.hostile.values import (
    BAD_DATES,
    BAD_IDS,
    BAD_MOMENTS,
    BAD_WEEKS,
    GOOD_MOMENTS,
    GOOD_WEEKS,
)
from app.api.tests.operations import (
    NOBODY,
    Document,
    Operation,
    Schema,
    kind_of,
    operations,
    usual_value,
)
from app.conftest import API
from app.core.resources.paging import name_of_list

Values = dict[str, str]
"""Values of query parameters, by what is unusual about them."""

BAD_INTEGERS: Values = {
    "below 0": "-1",
    "of 5 000 digits": "9" * 5000,
    "of 60 000 digits": "9" * 60_000,
    "beyond 64 bits": "9223372036854775808",
    "far beyond 64 bits": "9" * 30,
    "in another script's digits": "%D9%A3",
    "with an exponent": "1e1",
    "with a plus": "%2B1",
    "with an underscore": "1_0",
    "in hexadecimal": "0x10",
    "with NUL": "1%00",
    "with a line break": "1%0A",
    "of nothing": "",
    "of null": "null",
    "of a word": MARK,
}
BAD_FLAGS: Values = {
    "of 1": "1",
    "of null": "null",
    "of a word": "maybe",
    "in upper case": "TRUE",
}
BAD_EMAILS_SOUGHT: Values = {
    "of nothing": "",
    "of null": "null",
    "of a word": MARK,
    "without a user": "%40example.com",
    "without a domain": f"{MARK}%40",
    "of two addresses": "a%40example.com,b%40example.com",
    "with a space": "a%20b%40example.com",
    "with NUL": "a%00%40example.com",
    "of 60 000 letters": "a" * 60_000 + "%40example.com",
}
BAD_CURSORS: Values = {
    "of nothing": "",
    "of a word": MARK,
    "of padding": "===",
    "of NUL": urlsafe_b64encode(b"\0" * 60).decode(),
    "of surrogates": urlsafe_b64encode(b"\xed\xa0\x80" * 20).decode(),
    "of invalid UTF-8": urlsafe_b64encode(b"\xff" * 60).decode(),
    "beyond ASCII": "%C3%A9%F0%9F%98%80",
    "with a line break": "<cursor>%0A%00",
    "of 60 000 letters": "A" * 60_000,
    "in the standard alphabet": "%2B%2F%2B%2F",
    "of another list": "<cursor>&sort=<other>",
}
BAD_TEXTS_SOUGHT: dict[str, str] = {
    "nothing": "",
    "white space": "%20%E3%80%80",
    "NUL": f"{MARK}%00",
    "a control character": f"{MARK}%1b",
    "invisible characters": "%E2%80%8B%EF%BB%BF",
    "too many characters": MARK * 20,
    "10 000 combining marks": "a" + "%CC%81" * 5_000 + "%CC%96" * 5_000,
}
INVISIBLE_NAMES_SOUGHT: dict[str, str] = {
    "combining marks": "%CC%81",
    "Hangul fillers": "%E3%85%A4",
}
NOT_UTF_8: dict[str, str] = {
    "Latin-1": f"{MARK}%E9",
    "half a character": f"{MARK}%C3",
    "a surrogate": f"{MARK}%ED%A0%80",
    "overlong UTF-8": f"{MARK}%C0%80",
    "a character beyond Unicode": f"{MARK}%F4%90%80%80",
}
GOOD_TEXTS_SOUGHT: dict[str, str] = {
    "null": "null",
    "SQL": "%27%3B--%25_%5C",
    "ligatures": "%EF%B7%BA" * 100,
    "half an escape": "%",
    "a replacement character": "%EF%BF%BD",
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
BAD_QUERIES: Values = {
    "limit and a semicolon": "limit=1;offset=2",
    "offset beside a cursor": "offset=1&cursor=<cursor>",
    "an unknown parameter": f"unknown={MARK}",
    "an unknown parameter without a name": f"={MARK}",
    "an unknown parameter of NUL": f"%00={MARK}",
    "an unknown parameter of 10 000 letters": f"{'x' * 10_000}={MARK}",
    "4 000 unknown ones": "&".join(f"u{number}={MARK}" for number in range(4000)),
    "a question mark too many": "?limit=1",
}
"""Invalid queries for every list."""
GOOD_QUERIES: Values = {
    "nothing": "",
    "ampersands": "&&&",
    "the largest offset": "offset=10000&limit=100&total=true&sort=<other>",
}
"""Valid queries for every list; ``<other>`` stands for another sort than the default."""

OFFSET = "2100-01-01T18:00:00+01:00"
"""A moment with a plus, which means a space in a query if it is not escaped."""

Words = Mapping[str, set[str]]
"""All enum values of parameters, by the name of the parameter."""


def queries(document: Document) -> Iterator[Hostile]:
    """Send bad and unusual values for every parameter, and an unknown one to every operation."""
    every = list(operations(document))
    asked = [operation for operation in every if operation.method == "GET"]
    samples = {name: _sample(name, one.query[name]) for one in asked for name in one.query}
    words: dict[str, set[str]] = {}
    for one in every:
        for name, schema in one.query.items():
            words.setdefault(name, set()).update(schema.get("enum", ()))
    for operation in every:
        for name, schema in operation.query.items():
            yield from _of_parameter(operation, name, schema, words)
    for operation in asked:
        path = operation.target
        if operation.lists:
            sort = operation.query["sort"]["default"]
            other = sort[1:] if sort.startswith("-") else f"-{sort}"
            for some, answer in ((BAD_QUERIES, 422), (GOOD_QUERIES, 200)):
                for kind, query in some.items():
                    query = query.replace("<other>", other)
                    yield hostile(f"{path}: {kind}", "GET", f"{path}?{query}", answer)
            for kind, bad in BAD_CURSORS.items():
                target = f"{path}?cursor={bad.replace('<other>', other)}"
                name = f"{path}: cursor {kind}"
                yield hostile(name, "GET", target, 422, breaks="?cursor")
            yield from _forged_cursors(operation)
        elif "cursor" in operation.query:
            for kind, bad in BAD_CURSORS.items():
                if "<" not in bad:  # the cursor of a list with a sort
                    target, name = operation.asking(f"cursor={bad}"), f"{path}: cursor {kind}"
                    yield hostile(name, "GET", target, 422, breaks="?cursor")
        elsewhere = {name: NOBODY for name in operation.path_parameters} | samples
        for name, value in elsewhere.items():
            if name not in operation.query:
                target = operation.asking(f"{name}={quote(value, safe=':<>')}")
                kind = "a parameter of others"
                breaks = f"?{name}"
                yield hostile(f"{path}: {kind}, {name}", "GET", target, 422, breaks=breaks)
    for operation in every:
        target = operation.asking(f"unknown={MARK}")
        name = f"{operation.method} {target}"
        yield hostile(name, operation.method, target, 422, breaks="?unknown")
    for feature in every_feature():
        for filters, answer in ((feature.good_filters, 200), (feature.filters, 422)):
            for path, asked_there in filters.items():
                for kind, query in asked_there.items():
                    yield hostile(f"{path}: {kind}", "GET", f"{API}/{path}?{query}", answer)


def _of_parameter(
    operation: Operation, name: str, schema: Schema, words: Words
) -> Iterator[Hostile]:
    breaks = f"?{name}"
    named = {f"{API}/{one}" for feature in every_feature() for one in feature.named}
    for kind, bad in _bad(name, schema, words).items():
        yield _asking(operation, f"{name} {kind}", f"{name}={bad}", 422, breaks)
    for kind, bad in NOT_UTF_8.items():
        yield _asking(operation, f"{name} {kind}", f"{name}={bad}", 400)
    for kind, good in _good(schema).items():
        # A row that a parameter names may not exist.
        names_row = f"{name}=" in operation.needed("") or f"{operation.target}?{name}" in named
        found = {200, 404} if names_row else 200
        yield _asking(operation, f"{name} {kind}", f"{name}={good}", found)
    once = f"{name}={quote(_sample(name, schema), safe=':<>')}"
    escaped = f"%{ord(name[0]):x}{once[1:]}"
    upper = f"{name.upper()}={MARK}"
    for kind, query, pointer in (
        ("twice", f"{once}&{once}", breaks),
        ("twice, once escaped", f"{once}&{escaped}", breaks),
        ("as an array", f"{name}[]=1", f"{breaks}[]"),
        ("in upper case", upper, f"?{name.upper()}"),
        # In Python, the parameter `from` has the name `from_`, which queries must not accept.
        ("with an underscore", f"{name}_={quote(OFFSET)}", f"{breaks}_"),
    ):
        yield _asking(operation, f"{name} {kind}", query, 422, pointer)


def _asking(
    operation: Operation, kind: str, query: str, answer: int | set[int], breaks: str = ""
) -> Hostile:
    """Make a request with a query, and with the example of the body if there is one."""
    headers = [("Content-Type", operation.takes)] if operation.takes else []
    return hostile(
        f"{operation.target}: {kind}",
        operation.method,
        operation.asking(query),
        answer,
        *headers,
        body=operation.example or "",
        breaks=breaks,
    )


def _bad(name: str, schema: Schema, words: Words) -> Values:
    kind = kind_of(schema)
    if kind == "integer":
        bounds = {
            "too small": str(schema["minimum"] - 1),
            "too large": str(schema["maximum"] + 1),
        }
        return BAD_INTEGERS | bounds
    if kind == "boolean":
        return BAD_FLAGS
    if kind == "enum":
        return _bad_words(schema, words[name])
    if kind == "uuid":
        return {kind: quote(bad) for kind, bad in BAD_IDS.items()}
    if kind == "date":
        return {kind: quote(bad.strip('"')) for kind, bad in BAD_DATES.items()}
    if kind == "week":
        return {kind: quote(bad) for kind, bad in BAD_WEEKS.items()}
    if kind == "date-time":
        bad = {kind: quote(bad) for kind, bad in BAD_MOMENTS.items()}
        return bad | {"a plus that is a space": OFFSET}
    if kind == "array":
        return _bad(name, schema["items"], words)
    if kind == "idn-email":
        return BAD_EMAILS_SOUGHT
    if kind == "text" and "pattern" in schema:
        invisible = INVISIBLE_NAMES_SOUGHT if name.startswith("name") else {}
        return BAD_TEXTS_SOUGHT | invisible
    return {}


def _bad_words(schema: Schema, words: set[str]) -> Values:
    """Return words that a parameter rejects: nearly valid, or valid for other parameters."""
    word = str(schema.get("default", schema["enum"][0]))
    almost = {
        "of nothing": "",
        "of null": "null",
        "unknown": MARK,
        "of SQL": f"{word};{MARK}",
        "of two": ",".join(schema["enum"][:2]),
        "with a line break": f"{word}%0A",
        "with a plus": f"+{word}",
    }
    ascending = sorted(one for one in words if not one.startswith("-"))
    others = {f"of others, {one}": one for one in ascending if one not in schema["enum"]}
    return almost | others | {f"in upper case, {one}": one.upper() for one in ascending}


def _good(schema: Schema) -> Values:
    kind = kind_of(schema)
    if kind == "date-time":
        return {kind: quote(good) for kind, good in GOOD_MOMENTS.items()}
    if kind == "uuid":
        return {"of nobody": NOBODY}
    if kind == "week":
        return GOOD_WEEKS
    if kind == "text" and "pattern" in schema:
        longest = schema["maxLength"]
        return {
            kind: good for kind, good in GOOD_TEXTS_SOUGHT.items() if len(unquote(good)) <= longest
        }
    return {}


def _sample(name: str, schema: Schema) -> str:
    """Return a valid value of a parameter."""
    if name == "cursor":
        return "<cursor>"
    return usual_value(schema, MARK)


def _forged_cursors(operation: Operation) -> Iterator[Hostile]:
    path = operation.nowhere
    within = {name: UUID(NOBODY) for name in operation.path_parameters}
    # The owner in the path does not exist, but the cursor is validated first.
    found = 404 if within else 200
    for sort in operation.query["sort"]["enum"]:
        name_of = name_of_list(str(operation.lists), within, sort)
        # Any text is a valid sort key for names, but not for times.
        refused = set() if sort.removeprefix("-") == "name" else {422}
        for kind, key in FORGED_KEYS.items():
            answers = {422} if "\0" in key else {found} | refused
            place = f"{name_of}{UUID(NOBODY).hex}{key}".encode()
            target = f"{path}?sort={sort}&cursor={urlsafe_b64encode(place).decode()}"
            name = f"{path}: a forged cursor of {kind}, {sort}"
            yield hostile(name, "GET", target, answers)
