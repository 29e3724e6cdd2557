"""Fields: bad values for every field of every JSON body, by its schema."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import blake2b
from zlib import crc32

from app.api.tests.hostile.features import body_posted_at, dependent, placeholders
from app.api.tests.hostile.requests import JSON, MARK, Hostile, hostile
from app.api.tests.hostile.values import (
    BAD_DATES,
    BAD_EMAILS,
    BAD_FLAGS,
    BAD_IDS,
    BAD_MOMENTS,
    BAD_NUMBERS,
    BAD_TEXTS,
    BAD_TIMES,
    BAD_URLS,
    BAD_ZONES,
    GOOD_NUMBERS,
    GOOD_TEXTS,
    INVISIBLE_NAMES,
    NO_MOMENTS,
    NO_TEXTS,
)
from app.api.tests.operations import (
    NOBODY,
    Document,
    Operation,
    Schema,
    is_nullable,
    kind_of,
    not_null,
    operations,
    placeholder,
)

Values = dict[str, str]
"""JSON values, by what is unusual about them; ``MARK`` stands for the marker."""

LIGATURE = "\ufdfa"
"""A character that becomes 18 characters in a name key."""


def fields(document: Document) -> Iterator[Hostile]:
    """Send bad values for every field, and unusual valid values to operations that create."""
    for operation in operations(document):
        if operation.body is None:
            continue
        for field, schema in operation.fields.items():
            yield from _of_field(operation, field, schema)
        yield from _missing(operation)
        if operation.creates or operation.method == "PATCH":
            for field in sorted(operation.answered_fields - operation.fields.keys()):
                # The server sets this field, or it belongs to another resource.
                yield _with(operation, field, '"MARK"', "given", 422)


def made_up_body(operation: Operation, name: str, more: Values | None = None) -> str:
    """Return a body that creates a new row: that of the declared thing, with unique texts and days.

    Optional fields are only in the body of a row with a secret, whose fields belong together.
    """
    fields = dict(body_posted_at(operation.target))
    required = (operation.body or {}).get("required", ())
    made = {
        field: value if field in dependent() else _made_up(name, operation.fields[field], value)
        for field, value in fields.items()
        if field in required or operation.issues or field in dependent()
    }
    return json.dumps(made | (more or {}))


def with_value(operation: Operation, field: str, value: str) -> str:
    """Return a body that is valid except for one field, which has this JSON value."""
    value = value.replace("MARK", MARK)
    if not (operation.creates or operation.issues):
        return f'{{"{field}": {value}}}'
    name = f"{field} {blake2b(value.encode(), digest_size=8).hexdigest()}"
    body = made_up_body(operation, name, {field: "<value>"})
    return body.replace('"<value>"', value)


def _made_up(name: str, schema: Schema, value: object) -> object:
    if kind_of(schema) == "date":
        return str(date(2000, 1, 1) + timedelta(days=crc32(name.encode()) % 70_000))
    if kind_of(schema) != "text":
        return value
    return name[-not_null(schema).get("maxLength", len(name)) :]


def _with(
    operation: Operation, field: str, value: str, kind: str, answer: int, breaks: bool = True
) -> Hostile:
    method, target = operation.method, operation.target
    pointer = f"/{field}" if breaks else ""
    body = with_value(operation, field, value)
    name = f"{method} {target} {field}: {kind}"
    return hostile(name, method, target, answer, JSON, body=body, breaks=pointer)


def _of_field(operation: Operation, field: str, schema: Schema) -> Iterator[Hostile]:
    null = {} if is_nullable(schema) else {"null": "null"}
    for kind, value in (_bad(field, schema) | null).items():
        yield _with(operation, field, value, kind, 422)
    if operation.creates:
        for kind, value in _good(field, schema).items():
            yield _with(operation, field, value, kind, 201, breaks=False)
    if 409 in operation.answers:
        for kind, value in ids_of_nobody(field, schema).items():
            yield _with(operation, field, value, kind, 409, breaks=False)
    if kind_of(schema) in {"text", "uuid"}:
        method, target = operation.method, operation.target
        first = _own_id(field) if kind_of(schema) == "uuid" else MARK
        body = f'{{"{field}": "{first}", "{field}": 5}}'
        name = f"{method} {target} {field}: twice, the second wrong"
        yield hostile(name, method, target, 422, JSON, body=body, breaks=f"/{field}")


def _missing(operation: Operation) -> Iterator[Hostile]:
    body = operation.body or {}
    method, target = operation.method, operation.target
    if operation.creates:
        whole = json.loads(made_up_body(operation, "Missing"))
        for missing in body.get("required", ()):
            some = json.dumps({name: value for name, value in whole.items() if name != missing})
            name = f"{method} {target}: no {missing}"
            yield hostile(name, method, target, 422, JSON, body=some, breaks=f"/{missing}")
    if body.get("required") or body.get("minProperties"):
        yield hostile(f"{method} {target}: nothing", method, target, 422, JSON, body="{}")


def _bad(field: str, schema: Schema) -> Values:
    """Return values that a field rejects, by the kind of its schema."""
    kind = kind_of(schema)
    if kind == "text":
        invisible = INVISIBLE_NAMES if field == "name" else {}
        return _quoted(BAD_TEXTS | invisible) | NO_TEXTS
    if kind in {"integer", "number"}:
        takes_zero = not_null(schema).get("minimum", 1) <= 0
        return {
            kind: bad
            for kind, bad in BAD_NUMBERS.items()
            if not (takes_zero and kind in {"1e-400", "-0.0"})
        } | _beyond(not_null(schema))
    if kind == "enum":
        word = str(not_null(schema)["enum"][0])
        return {
            "unknown": '"MARK"',
            "nothing": '""',
            "in upper case": json.dumps(word.upper()),
            "with a space": json.dumps(f"{word} "),
            "with NUL": json.dumps(f"{word}\0"),
        } | NO_TEXTS
    if kind == "array":
        items = not_null(schema)["items"]
        if kind_of(items) == "integer":
            return BAD_COUNTS
        if kind_of(items) == "uuid":
            return _bad_arrays(schema, _own_id(field), BAD_IDS)
        if kind_of(items) == "date":
            return _bad_arrays(schema, "2100-01-04", {"no date": "MARK", "empty": ""})
        if "enum" not in items:
            return {kind: bad for kind, bad in BAD_COUNTS.items() if kind != "empty"}  # of objects
        return _bad_arrays(schema, items["enum"][0], {"unknown": "MARK", "empty": ""})
    if kind == "password":
        return _bad_secrets(not_null(schema))
    return {
        "boolean": BAD_FLAGS,
        "date": BAD_DATES,
        "date-time": _dumped(BAD_MOMENTS) | NO_MOMENTS,
        "idn-email": _quoted(BAD_EMAILS) | NO_TEXTS,
        "local-time": _dumped(BAD_TIMES) | NO_TEXTS,
        "time-zone": _quoted(BAD_ZONES) | NO_TEXTS,
        "uri": _quoted(BAD_URLS) | NO_TEXTS,
        "uuid": _dumped(BAD_IDS) | NO_TEXTS,
    }.get(kind, {})


BAD_COUNTS: Values = {
    "empty": "[]",
    "an object": "{}",
    "a number": "1",
    "null in it": "[1, null]",
    "text in it": '["1"]',
    "true in it": "[true]",
    "a part in it": "[0.5]",
    "a negative number in it": "[-1]",
    "infinity in it": "[1e999]",
    "an array in it": "[[1]]",
}


def _beyond(schema: Schema) -> Values:
    """Return a number beyond each bound."""
    beyond: Values = {}
    if "minimum" in schema:
        beyond["too small"] = _number(schema["minimum"] - 1)
    if "maximum" in schema:
        beyond["too large"] = _number(schema["maximum"] + 1)
    return beyond


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _bad_arrays(schema: Schema, item: str, bad_items: Values) -> Values:
    longest = schema["maxItems"]
    bad = {f"an item, {kind}": json.dumps([bad]) for kind, bad in bad_items.items()}
    return bad | {
        "too many": json.dumps([item] * (longest + 1)),
        "5 000 numbers": "[" + "1," * 5000 + "1]",
        "a text": json.dumps(item),
        "an object": json.dumps({"0": item}),
        "an array of arrays": json.dumps([[item]]),
        "null among them": json.dumps([item, None]),
    }


def _bad_secrets(schema: Schema) -> Values:
    return NO_TEXTS | {
        "nothing": '""',
        "too short": json.dumps("x" * (schema["minLength"] - 1)),
        "too long": json.dumps("x" * (schema["maxLength"] + 1)),
        "60 000 characters": json.dumps(MARK * 7_500),
        "a lone surrogate": f'"{MARK * 3}\\ud800"',
    }


def _good(field: str, schema: Schema) -> Values:
    """Return unusual values that are valid by the schema of a field."""
    kind, schema = kind_of(schema), not_null(schema)
    if field in dependent():
        return {}
    if kind == "text" and "maxLength" in schema:  # a local time has none
        longest = schema["maxLength"]
        good = _quoted(GOOD_TEXTS)
        if field == "name":
            good["ligatures that expand"] = f'"{LIGATURE * (longest - 1)}x"'
        return {name: value for name, value in good.items() if _fits(schema, value)}
    if kind in {"integer", "number"}:
        takes = schema.get("minimum", 60) <= 60 <= schema.get("maximum", 60)
        return GOOD_NUMBERS if takes else {}
    if kind == "array" and kind_of(schema["items"]) == "uuid":
        own_id = _own_id(field)
        return {"twice the same": json.dumps([own_id, own_id])}
    return {}


def _fits(schema: Schema, value: str) -> bool:
    text = json.loads(value)
    pattern = schema.get("pattern", "")
    return len(text) <= schema["maxLength"] and re.search(pattern, text) is not None


def ids_of_nobody(field: str, schema: Schema) -> Values:
    """Return ids that no row has."""
    kind = kind_of(schema)
    if kind == "uuid":
        return {"nobody": json.dumps(NOBODY)}
    if kind == "array" and kind_of(not_null(schema)["items"]) == "uuid":
        return {"nobody among them": json.dumps([_own_id(field), NOBODY])}
    return {}


def _own_id(field: str) -> str:
    own = placeholder(field)
    return own if own in placeholders() else NOBODY


def _quoted(texts: Values) -> Values:
    return {kind: f'"{text}"' for kind, text in texts.items()}


def _dumped(texts: Values) -> Values:
    return {kind: json.dumps(text) for kind, text in texts.items()}
