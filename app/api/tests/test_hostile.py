"""Hostile requests, to the app itself."""

import asyncio
import json
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
from app.api.tests.hostile import HOMES, PARTS, THINGS, Hostile, making, with_things
from app.conftest import API
from app.core.http.tests.document import Document

PIECE = 2**16


@pytest.fixture
async def things(app: FastAPI, client: AsyncClient) -> dict[str, str]:
    """Create what the placeholders stand for."""
    things: dict[str, str] = {}
    for placeholder, path, fields in THINGS:
        made = await sent(app, making(path, fields, things))
        things[placeholder] = json.loads(made.body)["id"]
    following = (await client.get(f"{API}/categories?limit=1")).json()["next"]
    return {**things, "<cursor>": following.rpartition("cursor=")[2]}


@pytest.mark.parametrize("part", PARTS)
async def test_a_hostile_request_is_answered_by_the_contract_and_changes_nothing(
    part: str, app: FastAPI, client: AsyncClient, document: Document, things: dict[str, str]
) -> None:
    before, counts = await rows(client, things), await totals(client, things)

    complaints = []
    for template in PARTS[part](document.content):
        request = template.filled(things)
        answer = await sent(app, request)
        counts += created(request, answer)
        if what := complaint(request, answer) or await undocumented(document, request, answer):
            complaints.append(f"{request.name}: {what}")

    assert not complaints, "\n".join(complaints)
    assert await rows(client, things) == before
    assert await totals(client, things) == counts


async def rows(client: AsyncClient, things: dict[str, str]) -> list[tuple[int, str]]:
    """Read the rows that the placeholders stand for."""
    answers = [await client.get(f"{API}/{with_things(path, things)}") for path in HOMES]
    return [(answer.status_code, answer.text) for answer in answers]


async def totals(client: AsyncClient, things: dict[str, str]) -> Counter[str]:
    """Count the rows of each collection, and the bookings of what may be booked."""
    counts: Counter[str] = Counter()
    for path in ("categories", "centres", "athletes", "trainings", "trainings/<free>/bookings"):
        name = with_things(path, things)
        page = await client.get(f"{API}/{name}?limit=1&total=true")
        counts[name] = page.json()["total"]
    return counts


async def sent(app: FastAPI, request: Hostile) -> Answer:
    """Call the app as the server would; no client sends such targets and headers."""
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
        await asyncio.Event().wait()  # the client stays

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
    """Say what the document does not have of an answer, if something."""
    path = httptools.parse_url(request.target.encode()).path.decode()
    if "/." in path or len(path) > PIECE // 2:
        return ""  # the client's own class would make another path of it
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
