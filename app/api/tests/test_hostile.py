"""Hostile requests, sent directly to the app."""

import asyncio
import re
from collections import Counter
from typing import Any
from urllib.parse import unquote

import httptools
import httpx
import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from jsonschema import ValidationError

from app.api.tests.answers import Answer, complaint, created
from app.api.tests.features import endpoints, file_beside
from app.api.tests.hostile.features import create_things, placeholders
from app.api.tests.hostile.features import things as all_things
from app.api.tests.hostile.parts import PARTS
from app.api.tests.hostile.requests import Hostile, with_things
from app.api.tests.operations import Operation, at_things, collections, operations, placeholder
from app.conftest import API
from app.core.http.tests.document import Document

PIECE = 2**16
SEVERAL = 5
"""The minimum of bad values for a field or parameter.

It exceeds the number of those that do not depend on the kind: null, absent and repeated.
"""


@pytest.fixture
async def things(client: AsyncClient, document: Document) -> dict[str, str]:
    """Create the rows that the placeholders stand for."""
    things = await create_things(client)
    named = {
        placeholder(parameter)
        for operation in operations(document.content)
        for parameter in operation.path_parameters
    }
    assert named <= things.keys(), (
        f"add a Thing for each of {named - things.keys()} to tests/hostile.py of its feature"
    )
    first = next(collections(document.content))
    following = (await client.get(f"{first.target}?limit=1")).json()["next"]
    assert following, f"{first.path} needs two things, for a cursor"
    return {**things, "<cursor>": following.rpartition("cursor=")[2]}


@pytest.mark.parametrize("part", PARTS)
async def test_a_hostile_request_gets_a_documented_response_and_changes_nothing(
    part: str, app: FastAPI, client: AsyncClient, document: Document, things: dict[str, str]
) -> None:
    before, counts = await rows(client, things), await totals(client, document, things)

    complaints = []
    for template in PARTS[part](document.content):
        request = template.filled(things)
        answer = await sent(app, request)
        counts += created(request, answer)
        if what := complaint(request, answer) or await undocumented(document, request, answer):
            complaints.append(f"{request.name}: {what}")

    assert not complaints, "\n".join(complaints)
    assert await rows(client, things) == before
    assert await totals(client, document, things) == counts


@pytest.fixture(scope="module")
def requests(document: Document) -> list[Hostile]:
    """Provide the requests of all parts, with placeholders."""
    return [request for part in PARTS.values() for request in part(document.content)]


def test_each_operation_gets_hostile_requests_for_existing_rows(
    app: FastAPI, document: Document, requests: list[Hostile]
) -> None:
    sent = {(request.method, request.target.partition("?")[0]) for request in requests}

    missed = [
        f"{operation.id}: add a Thing for each parameter of {operation.path}"
        f" to {own_file(app, operation)}"
        for operation in operations(document.content)
        if (operation.method, at_things(operation.path)) not in sent
        or not placeholders().issuperset(map(placeholder, operation.path_parameters))
    ]

    assert not missed, "\n".join(missed)


def test_each_field_and_query_parameter_gets_bad_values(
    app: FastAPI, document: Document, requests: list[Hostile]
) -> None:
    broken = Counter(
        (request.method, request.target.partition("?")[0], request.breaks)
        for request in requests
        if request.answers == {422}
    )

    missed = [
        f"{operation.id}: yield {SEVERAL} requests that break {pointer!r}"
        f" in {own_file(app, operation)}"
        for operation in operations(document.content)
        for pointer in (
            *(f"/{field}" for field in operation.fields),
            *(f"?{parameter}" for parameter in operation.query),
        )
        if broken[operation.method, at_things(operation.path), pointer] < SEVERAL
    ]

    assert not missed, "\n".join(missed)


def test_each_operation_with_a_body_gets_an_unreadable_one(
    app: FastAPI, document: Document, requests: list[Hostile]
) -> None:
    refused = {
        (request.method, request.target)
        for request in requests
        if request.body and 400 in request.answers
    }

    missed = [
        f"{operation.id}: yield a request with an unreadable body in {own_file(app, operation)}"
        for operation in operations(document.content)
        if operation.takes and (operation.method, operation.target) not in refused
    ]

    assert not missed, "\n".join(missed)


def own_file(app: FastAPI, operation: Operation) -> str:
    """Return the file in which the feature of an operation declares hostile requests."""
    return file_beside(endpoints(app.routes)[operation.method, operation.path], "hostile")


async def rows(client: AsyncClient, things: dict[str, str]) -> list[tuple[int, str]]:
    """Read the rows that the placeholders stand for."""
    homes = [thing.home for thing in all_things() if thing.home]
    answers = [await client.get(f"{API}/{with_things(home, things)}") for home in homes]
    return [(answer.status_code, answer.text) for answer in answers]


async def totals(client: AsyncClient, document: Document, things: dict[str, str]) -> Counter[str]:
    """Count the rows of each collection, including those nested below each thing."""
    counts: Counter[str] = Counter()
    for operation in collections(document.content):
        for target in within_each_thing(operation):
            path = with_things(target, things)
            page = await client.get(f"{path}?limit=1&total=true")
            counts[path.removeprefix(f"{API}/")] = page.json()["total"]
    return counts


def within_each_thing(operation: Operation) -> set[str]:
    """Return the targets of a list: one for each thing that its first parameter may be."""
    own = re.match(r".*/(\w+)/{\w+}", operation.path)
    if own is None:
        return {at_things(operation.path)}
    owners = {thing.placeholder for thing in all_things() if thing.path == own[1]}
    return {re.sub("<.*>", owner, operation.target) for owner in owners}


async def sent(app: FastAPI, request: Hostile) -> Answer:
    """Call the app as the server does; HTTP clients would not send such targets and headers."""
    target = httptools.parse_url(request.target.encode())
    body = request.body
    pieces = iter(
        {
            "type": "http.request",
            "body": body[begin : begin + PIECE],
            "more_body": begin + PIECE < len(body),
        }
        for begin in range(0, max(len(body), 1), PIECE)
    )
    answer: list[dict[str, Any]] = []

    async def receive() -> Any:
        for piece in pieces:
            return piece
        await asyncio.Event().wait()  # the client does not disconnect

    async def send(message: Any) -> None:
        answer.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(target.path.decode("ascii")),
        "raw_path": target.path,
        "root_path": "",
        "query_string": target.query or b"",
        "headers": [(name.lower(), value) for name, value in request.raw_headers()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    start, *parts = answer
    headers = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
    return Answer(start["status"], headers, b"".join(part.get("body", b"") for part in parts))


async def undocumented(document: Document, request: Hostile, answer: Answer) -> str:
    """Return what the OpenAPI document does not allow in a response, or an empty string."""
    path = httptools.parse_url(request.target.encode()).path.decode()
    if "/." in path or len(path) > PIECE // 2:
        return ""  # httpx.Request would normalise or reject this path
    asked = httpx.Request(request.method, f"http://testserver{path}")
    try:
        await document.check(
            httpx.Response(
                answer.status, headers=answer.headers, content=answer.body, request=asked
            )
        )
    except (AssertionError, ValidationError) as error:
        return f"is not in the document: {str(error)[:300]}"
    return ""
