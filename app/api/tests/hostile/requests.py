"""Requests that no well-meaning client sends, and the statuses that may answer each.

They are what fuzzers miss. ``<category>``, ``<booking>`` and other names of things in a target or
a body stand for the id of one that is there, and ``<cursor>`` for a cursor of the first list of the
document. Where a value goes, ``MARK`` is in it: no refusal may repeat that.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from app.conftest import API

MARK = "xqmarkqx"
"""Stands in values, which are never repeated; no name of a field or parameter has it."""
TWENTY_MB = 20_000_000

JSON = ("Content-Type", "application/json")
CSV = ("Content-Type", "text/csv")
INVENTED = "BREW"
"""A method that a server may refuse before the app sees it."""

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
    breaks: str = ""
    """The pointer of the one field or query parameter that is wrong: a 422 has to name it."""

    def filled(self, things: Mapping[str, str]) -> "Hostile":
        """Put the ids of things in the place of their placeholders."""
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
    breaks: str = "",
) -> Hostile:
    """Write a request down; text becomes UTF-8, except in headers, where it is Latin-1."""
    allowed = frozenset({answers} if isinstance(answers, int) else answers)
    body = body.encode() if isinstance(body, str) else body
    return Hostile(name, method, target, allowed, headers, body, chunked, breaks)


class Thing(NamedTuple):
    """A row that is there before the hostile requests, or an act on one."""

    placeholder: str
    """Stands for its id: ``<category>`` where the document has ``{category_id}``."""
    path: str
    """Where it is posted, after the prefix of the API; may hold placeholders of things before."""
    fields: dict[str, Any]
    """The body. Requests that create are made of the first body that is posted at their path."""
    home: str | None
    """Where it is read, as no hostile request may change it; None if some may."""


@dataclass(frozen=True)
class Feature:
    """What a feature declares of hostile requests, as ``FEATURE`` in its ``tests/hostile.py``."""

    things: tuple[Thing, ...]
    """What is there before, in the order in which it is created.

    There is one for each ``{name_id}`` in the paths of the feature, called ``<name>``.
    """
    filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Queries that are refused, by the path of the GET, that the document does not tell."""
    good_filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Strange queries that are accepted, by the path of the GET."""
    requests: Callable[[], Iterator[Hostile]] = lambda: iter(())
    """Yields requests that only this feature can think of."""
    reports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By the path of a POST that creates many rows: by collection, which field counts them."""


def with_things(path: str, things: Mapping[str, str]) -> str:
    """Put the ids of things in the place of their placeholders."""
    for placeholder, value in things.items():
        path = path.replace(placeholder, value)
    return path


def making(thing: Thing, things: Mapping[str, str]) -> Hostile:
    """Write the request that creates a thing, of the others before it."""
    body = json.dumps(thing.fields)
    path = f"{API}/{thing.path}"
    return hostile(path, "POST", path, {200, 201}, JSON, body=body).filled(things)
