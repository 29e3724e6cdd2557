"""Hostile requests that fuzzers miss, and the status codes that each may get.

In a target or a body, a placeholder such as ``<category>`` or ``<booking>`` stands for the id of an
existing row, and ``<cursor>`` for a cursor of the first list of the document. Values contain
``MARK``, and no error may repeat it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from app.conftest import API
from app.identity.tests.callers import ADMIN

MARK = "xqmarkqx"
"""A marker in values, which errors must not repeat; no name of a field or parameter has it."""
TWENTY_MB = 20_000_000

JSON = ("Content-Type", "application/json")
CSV = ("Content-Type", "text/csv")
INVENTED = "BREW"
"""A method that a server may reject before the request reaches the app."""

Headers = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True)
class Hostile:
    """A request, and the status codes that it may get."""

    name: str
    method: str
    target: str
    answers: frozenset[int]
    headers: Headers = ()
    body: bytes = b""
    chunked: bool = False
    breaks: str = ""
    """The pointer of the one field or query parameter that is wrong; a 422 must contain it."""

    def filled(self, things: Mapping[str, str]) -> "Hostile":
        """Return the request with the ids of things in place of their placeholders."""
        body = self.body
        if len(body) < TWENTY_MB:
            for placeholder, value in things.items():
                body = body.replace(placeholder.encode(), value.encode())
        return replace(self, target=with_things(self.target, things), body=body)

    def raw_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the headers as bytes, including ``Host``, the length or encoding, and a token."""
        given = list(self.headers)
        if not any(name == "Host" for name, _ in given):
            given.append(("Host", "testserver"))
        if self.chunked:
            given.append(("Transfer-Encoding", "chunked"))
        elif self.body:
            given.append(("Content-Length", str(len(self.body))))
        for name, value in given:
            yield name.encode(), value if isinstance(value, bytes) else value.encode("latin-1")
        if not any(name == "Authorization" for name, _ in given):
            yield b"Authorization", ADMIN.headers["Authorization"].encode()


def hostile(
    name: str,
    method: str,
    target: str,
    answers: int | set[int],
    *headers: tuple[str, str | bytes],
    body: bytes | str = b"",
    chunked: bool = False,
    breaks: str = "",
) -> Hostile:
    """Make a request; text is encoded as UTF-8, but in headers as Latin-1."""
    allowed = frozenset({answers} if isinstance(answers, int) else answers)
    body = body.encode() if isinstance(body, str) else body
    return Hostile(name, method, target, allowed, headers, body, chunked, breaks)


class Thing(NamedTuple):
    """A row that exists before the hostile requests, or an action on one."""

    placeholder: str
    """The placeholder of its id: ``<category>`` where the document has ``{category_id}``."""
    path: str
    """The path of its POST, after the API prefix; may contain placeholders of earlier things."""
    fields: dict[str, Any]
    """The body. Hostile POSTs are derived from the first body that is posted at their path."""
    home: str | None
    """The path to read it, to check that no hostile request changes it; None if some may."""
    method: str = "POST"


@dataclass(frozen=True)
class Feature:
    """A feature's declarations for hostile requests: ``FEATURE`` in its ``tests/hostile.py``."""

    things: tuple[Thing, ...]
    """The rows to create before the requests, in this order.

    Each ``{name_id}`` in the paths of the feature needs one with the placeholder ``<name>``.
    """
    filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Invalid queries that do not follow from the document, by the path of the GET."""
    good_filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Unusual but valid queries, by the path of the GET."""
    named: frozenset[str] = frozenset()
    """Optional query parameters that name a row, 404 if there is none: ``path?parameter``."""
    requests: Callable[[], Iterator[Hostile]] = lambda: iter(())
    """Yields requests that are specific to this feature."""
    bodies: Mapping[str, dict[str, object]] = field(default_factory=dict)
    """The body of each POST whose rows are no things, by path; it may be refused."""
    dependent: frozenset[str] = frozenset()
    """Fields whose valid values depend on other rows or fields: made-up bodies keep those given."""
    known: Mapping[str, str] = field(default_factory=dict)
    """The ids of rows that exist in each database of the tests, by placeholder."""
    reports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For each POST that creates many rows, by path: the field that counts them, by collection."""


def with_things(path: str, things: Mapping[str, str]) -> str:
    """Return the path with the ids of things in place of their placeholders."""
    for placeholder, value in things.items():
        path = path.replace(placeholder, value)
    return path


def making(thing: Thing, things: Mapping[str, str]) -> Hostile:
    """Return the request that creates a thing, with the ids of earlier things."""
    body = json.dumps(thing.fields)
    path = f"{API}/{thing.path}"
    return hostile(path, thing.method, path, {200, 201}, JSON, body=body).filled(things)
