"""Methods and paths: every method on every path, unknown paths, and bad ids."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from app.api.tests.hostile.features import another_kind, things
from app.api.tests.hostile.fields import made_up_body
from app.api.tests.hostile.requests import CSV, INVENTED, JSON, MARK, Hostile, hostile
from app.api.tests.hostile.values import BAD_IDS
from app.api.tests.operations import (
    NOBODY,
    Document,
    at_things,
    collections,
    operations,
    placeholder,
)
from app.conftest import API

NOWHERE = (
    "/nothing",
    "//",
    f"/{API}/<list>",
    "/api//v1/<list>",
    f"{API}/<list>/",
    f"{API}/<list>%0A",
    f"{API}/<list>%0D%0A",
    f"{API}/<list>%00",
    f"{API}/<list>%2F",
    f"{API}/<list>%20",
    f"{API}/<list>;x=1",
    f"{API}/<list>/<row>%0A",
    f"{API}/<list>/<row>/",
    f"{API}/./<list>",
    f"{API}/x/../<list>",
    f"{API}/%2e%2e/v1/<list>",
    "/API/V1/<LIST>",
    "/health/live%0A",
    "/%0A",
    "/%00",
    "/%",
    "/%zz",
    "/%%%25",
    "/..%2f..%2fpyproject.toml",
    f"/{MARK}{'x' * 8000}",
    f"/{'a/' * 4000}",
    "/static-offline-docs",
    "/static-offline-docs/",
    "/static-offline-docs/%00",
    "/static-offline-docs/..%2f..%2f..%2fpyproject.toml",
    "/static-offline-docs/../../../../../../../../etc/passwd",
    "/static-offline-docs//etc/passwd",
    "/static-offline-docs/..%5c..%5cx",
    "/static-offline-docs/swagger-ui.css/x",
    "/static-offline-docs/swagger-ui.css%00",
    f"/static-offline-docs/{'x' * 5000}",
    f"/static-offline-docs/{'x/' * 3000}",
)
"""Paths that do not exist; ``<list>`` and ``<row>`` stand for a collection and one of its rows."""

NOT_UTF_8 = (
    "/%ff",
    "/%ed%a0%80",
    "/%c0%ae%c0%ae/etc/passwd",
    "/static-offline-docs/%ff",
    f"{API}/<list>%e9",
    f"{API}/<list>/<row>%80",
    f"{API}/<list>?name=Jos%E9",
    f"{API}/<list>/<row>?%ff",
    "/?%c0%af",
    "/docs?x=%ed%b0%80",
    "/nothing?x=%f5%80%80%80",
)
"""URLs that are not UTF-8 once decoded: Latin-1, lone surrogates, overlong sequences."""


def methods(document: Document) -> Iterator[Hostile]:
    """Send every method to every path; most methods are not supported there."""
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", INVENTED)
    unlisted: Document = {
        "/docs": {"get": {}},
        "/openapi.json": {"get": {}},
        "/static-offline-docs/x": None,
    }
    for path, described in {**document["paths"], **unlisted, "/nothing": None}.items():
        target = re.sub(r"{\w+}", NOBODY, path)
        for method in methods:
            listed = {"HEAD": "get"}.get(method, method.lower())
            if described is None:
                answers = {404, 405} if path.startswith("/static") else {404}
            elif listed in described:
                # The body is missing (422) or not CSV (415), or no row has this id (404).
                answers = {200, 404} if method in {"GET", "HEAD"} else {404, 415, 422}
                if any(one.get("required") for one in queries_of(described[listed])):
                    answers = {422}
            elif method == "OPTIONS":
                answers = {204}
            else:
                answers = {405}
            if method == "OPTIONS" and path.startswith("/static"):
                answers = {204}
            yield hostile(f"{method} {path}", method, target, answers)


def queries_of(described: Document) -> Iterator[Document]:
    """Yield the query parameters of an operation."""
    yield from (one for one in described.get("parameters", ()) if one["in"] == "query")


def paths(document: Document) -> Iterator[Hostile]:
    """Request unknown paths, and the first collection with an absolute URL as the target."""
    first = next(collections(document))
    name = first.target.removeprefix(f"{API}/")
    row = next(thing.placeholder for thing in things() if thing.path == name)
    for template in (*NOWHERE, *NOT_UTF_8):
        target = template.replace("<list>", name).replace("<LIST>", name.upper())
        target = target.replace("<row>", row)
        for method in ("GET", "HEAD", "POST", "DELETE"):
            static = target.startswith("/static-offline-docs/") and method in {"POST", "DELETE"}
            answers = {400} if template in NOT_UTF_8 else {405} if static else {404}
            yield hostile(f"{method} {target[:60]}", method, target, answers)
    proxied = f"http://{MARK}.example{first.target}"
    yield hostile("another host in the target", "GET", proxied, 200)
    (creating,) = (one for one in operations(document) if one.path == first.path and one.creates)
    body = made_up_body(creating, "far")
    yield hostile("another host in the target of a POST", "POST", proxied, 201, JSON, body=body)


def ids(document: Document) -> Iterator[Hostile]:
    """Put invalid ids, ids that no row has, and ids of other resources into every path."""
    for operation in operations(document):
        method, path, needed = operation.method, operation.path, operation.needed("")
        headers = [JSON] if operation.body else [CSV] if operation.takes else []
        if not operation.path_parameters:
            continue
        if operation.creates or operation.issues:
            body = made_up_body(operation, "nowhere")
        else:
            body = "{}" if operation.method == "PATCH" else operation.example or ""
        for parameter in operation.path_parameters:
            for kind, bad in BAD_IDS.items():
                target = at_things(path.replace(f"{{{parameter}}}", quote(bad, safe=""))) + needed
                # 404 if the id ends in a line break: no path ends so.
                name = f"{method} {path}, {parameter} {kind}"
                yield hostile(name, method, target, {404, 422})
            other = another_kind(placeholder(parameter))
            for kind, missing in (("of nobody", NOBODY), ("of another thing", other)):
                target = at_things(path.replace(f"{{{parameter}}}", missing)) + needed
                name = f"{method} {path}, {parameter} {kind}"
                yield hostile(name, method, target, 404, *headers, body=body if headers else "")
