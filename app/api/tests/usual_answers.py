"""Requests that get the usual responses of each operation, derived from the OpenAPI document.

The rows are those that features declare for hostile requests. A response that needs more, such as
a row in a certain state, is requested in ``give_answers`` of the feature's ``tests/examples.py``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple
from unittest.mock import AsyncMock

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.hostile.fields import ids_of_nobody, made_up_body, with_value
from app.api.tests.hostile.requests import with_things
from app.api.tests.operations import Document, Operation, operations
from app.conftest import client_of
from app.core.db.transactions import Database
from app.core.errors import TooManyConflicts, Unavailable
from app.core.http.idempotency import HEADER
from app.core.http.key_limit import KeyLimit
from app.core.http.tests.document import Document as Checked
from app.identity.tests.callers import MEMBER, add_device

STALE = {"If-Match": '"0-"'}


class Call(NamedTuple):
    """A request, with placeholders of things in its URL and body."""

    operation: Operation
    url: str
    body: str | bytes = ""
    headers: Mapping[str, str] = {}

    async def send(self, client: AsyncClient, ids: Mapping[str, str], **more: Any) -> Any:
        """Send the request with the ids of things; ``content`` overrides its body."""
        body = self.body
        content = with_things(body, ids).encode() if isinstance(body, str) else body
        declared = {"Content-Type": self.operation.takes} if self.operation.takes else {}
        return await client.request(
            self.operation.method,
            with_things(self.url, ids),
            **{"content": content, "headers": {**declared, **self.headers}, **more},
        )


async def give_usual_answers(
    client: AsyncClient, document: Document, ids: Mapping[str, str]
) -> None:
    """Get the responses that every feature has, except those of ``delete_what_is_left``."""
    for operation in operations(document):
        for call in (*_refused(operation), *_accepted(operation)):
            await call.send(client, ids)
    for operation in operations(document):
        if "If-Match" in operation.headers and _creating(document, operation):
            await _change_a_second_row(client, document, operation, ids)


async def delete_what_is_left(
    client: AsyncClient, document: Document, ids: Mapping[str, str]
) -> None:
    """Send each DELETE without ``If-Match``, last, because other requests need those rows."""
    for operation in operations(document):
        if operation.method == "DELETE" and "If-Match" not in operation.headers:
            await Call(operation, operation.target).send(client, ids)


async def refuse_callers(
    app: FastAPI, connection: Connection, checked: Checked, ids: Mapping[str, str]
) -> None:
    """Send a request to every operation without a token, and with one that has no scopes."""
    device = await add_device(connection, ids["<centre>"])
    await connection.execute("UPDATE tokens SET scopes = '{}' WHERE id = $1", device.id)
    for caller in (None, device):
        async with client_of(app, checked, caller=caller) as client:
            for operation in operations(checked.content):
                if not operation.is_public:
                    await _plain(operation).send(client, {})


async def refuse_what_comes_late_or_at_length(
    client: AsyncClient, app: FastAPI, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send every request body too slowly, and then one that is too long."""

    async def never_whole() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    calls = [_plain(operation) for operation in operations(document) if operation.takes]
    with monkeypatch.context() as changed:
        changed.setattr(app.state.settings, "body_timeout", 0.01)
        for call in calls:
            await call.send(client, {}, content=never_whole())
        changed.setattr(app.state.settings, "max_body_size", 1)
        changed.setattr(app.state.settings, "max_import_size", 1)
        for call in calls:
            await call.send(client, {})


async def refuse_new_keys(
    client: AsyncClient, app: FastAPI, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Create each row with an idempotency key while no client may store any."""
    with monkeypatch.context() as changed:
        changed.setattr(app.state.idempotency, "_limit", KeyLimit(0))
        for operation in operations(document):
            if operation.creates:
                await _plain(operation)._replace(headers={HEADER: operation.id}).send(client, {})


async def refuse_conflicts(
    client: AsyncClient, app: FastAPI, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send every request body as a caller who has found too many values taken."""

    def refuse(caller: object) -> None:
        raise TooManyConflicts("Too many.")

    with monkeypatch.context() as changed:
        changed.setattr(app.state.conflicts, "check", refuse)
        for operation in operations(document):
            if 429 in operation.answers and not operation.is_public:
                await _plain(operation).send(client, {})


async def refuse_without_a_database(
    client: AsyncClient, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send a request to every operation while the database is unavailable."""
    with monkeypatch.context() as changed:
        changed.setattr(Database, "_run", AsyncMock(side_effect=Unavailable("It is gone.")))
        for operation in operations(document):
            for headers in ({}, MEMBER.headers):
                await _plain(operation)._replace(headers=headers).send(client, {})


def _plain(operation: Operation) -> Call:
    """Make a request with ids that no row has, and the documented example as its body."""
    return Call(operation, operation.nowhere, operation.example or "")


def _refused(operation: Operation) -> Iterator[Call]:
    target, example = operation.target, operation.example or ""
    yield Call(operation, f"{target}?no=such", example)
    yield Call(operation, f"{target}?no=%FF", example)
    yield Call(operation, operation.nowhere, example)
    if "If-None-Match" in operation.headers:
        yield Call(operation, target, headers={"If-None-Match": "*"})
    if "If-Match" in operation.headers:
        yield Call(operation, target, example, STALE)
    if operation.takes:
        yield Call(operation, target, b"\xff")
        yield Call(operation, target, "{}", {"Content-Type": "text/plain"})
    if 409 in operation.answers:
        for field, schema in operation.fields.items():
            for value in ids_of_nobody(field, schema).values():
                yield Call(operation, target, with_value(operation, field, value))


def _accepted(operation: Operation) -> Iterator[Call]:
    target = operation.target
    if operation.creates or operation.issues:
        body = made_up_body(operation, "Usual")
        yield Call(operation, target, body)
        yield Call(operation, target, body)
    elif operation.method == "PATCH":
        yield Call(operation, target, "{}")
    elif not operation.ends:
        yield Call(operation, target, operation.example or "")


def _creating(document: Document, operation: Operation) -> list[Operation]:
    """List the operation that creates rows of the kind that an operation changes, if any."""
    collection = operation.path.rpartition("/")[0]
    return [one for one in operations(document) if one.creates and one.path == collection]


async def _change_a_second_row(
    client: AsyncClient, document: Document, operation: Operation, ids: Mapping[str, str]
) -> None:
    """Create a row and delete it, or PATCH it to the values of an existing row.

    A DELETE that may answer 409 is also sent for an existing row, which is in use.
    """
    (creating,) = _creating(document, operation)
    body = made_up_body(creating, f"Twin of {operation.id}")
    twin = await Call(creating, creating.target, body).send(client, ids)
    url = twin.headers["Location"]
    if operation.method == "DELETE":
        await Call(operation, url).send(client, ids)
        if 409 in operation.answers:
            await Call(operation, operation.target).send(client, ids)
    else:
        taken = await client.get(with_things(operation.target, ids))
        texts = {
            name: value
            for name, value in taken.json().items()
            if name in json.loads(made_up_body(creating, ""))
        }
        await Call(operation, url, json.dumps(texts)).send(client, ids)
