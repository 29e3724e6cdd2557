"""Bodies that are not JSON, or not of the declared type, for every operation with a body."""

import gzip
import json
from collections.abc import Iterator

from app.api.tests.hostile.requests import CSV, JSON, MARK, TWENTY_MB, Hostile, hostile
from app.api.tests.operations import Document, Operation, operations

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
CODINGS = ("gzip", "GZIP", "identity, gzip", MARK, f"{MARK}," * 5_000)
NOT_READ = {**NOT_JSON, **TOO_LONG, **NOT_AN_OBJECT}
"""Bodies for operations that do not read a body."""


def bodies(document: Document) -> Iterator[Hostile]:
    """Send bad bodies to every operation with a body, and to every POST that reads none."""
    for operation in operations(document):
        if operation.takes == "application/json":
            yield from _no_json(operation)
        elif operation.takes == "text/csv":
            yield from _no_csv(operation)
        elif operation.method == "POST":
            target = operation.nowhere
            for kind, unread in NOT_READ.items():
                yield hostile(f"{target}: {kind}", "POST", target, 404, JSON, body=unread)


def _no_json(operation: Operation) -> Iterator[Hostile]:
    method, path = operation.method, operation.target
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
    body = gzip.compress(f'{{"name": "{MARK}"}}'.encode(), mtime=0)
    yield hostile(f"{where}: compressed, undeclared", method, path, 400, JSON, body=body)
    for coding in CODINGS:
        compressed = (JSON, ("Content-Encoding", coding))
        yield hostile(f"{where}: {coding[:40]}", method, path, 415, *compressed, body=body)
    awaited = (JSON, ("Expect", "100-continue"))
    yield hostile(f"{where}: announced", method, path, 422, *awaited, body=f'"{MARK}"')


def _no_csv(operation: Operation) -> Iterator[Hostile]:
    method, path = operation.method, operation.target
    for declared in NOT_DECLARED_CSV:
        name, header = f"{path}: {declared[:50]}", ("Content-Type", declared)
        yield hostile(name, method, path, 415, header, body=f"name\n{MARK}")
    for declared in DECLARED_CSV:
        name, header = f"{path}: {declared[:50]}", ("Content-Type", declared)
        yield hostile(name, method, path, 422, header, body=MARK)
    body = gzip.compress(b"name\n" + MARK.encode(), mtime=0)
    yield hostile(f"{path}: compressed, undeclared", method, path, 400, CSV, body=body)
    for coding in CODINGS:
        compressed = (CSV, ("Content-Encoding", coding))
        yield hostile(f"{path}: {coding[:40]}", method, path, 415, *compressed, body=body)
