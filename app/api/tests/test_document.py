"""The OpenAPI document, compared with the actual responses of the API."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.features import endpoints, file_beside, modules
from app.api.tests.hostile.features import create_things, known
from app.api.tests.operations import Operation, at_things, operations, placeholder
from app.api.tests.usual_answers import (
    delete_what_is_left,
    give_usual_answers,
    refuse_callers,
    refuse_conflicts,
    refuse_new_keys,
    refuse_what_comes_late_or_at_length,
    refuse_without_a_database,
)
from app.commands.develop.document import DOCUMENT, write_document
from app.conftest import client_of
from app.core.http.tests.document import Document


def test_the_committed_document_matches_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = DOCUMENT.read_text("utf-8")
    monkeypatch.setattr("app.commands.develop.document.DOCUMENT", tmp_path / "openapi.json")

    write_document()

    assert (tmp_path / "openapi.json").read_text("utf-8") == committed, (
        "run `python3 manage.py openapi` and look at what changed"
    )


def usual_verb(operation: Operation) -> str:
    """Return a pattern of the verb that the name of an operation begins with."""
    if operation.creates:
        return "create"
    if operation.lists:
        return "list"
    if "If-None-Match" in operation.headers:
        return "get"
    if "If-Match" in operation.headers:
        return {"PATCH": "update", "DELETE": "delete"}[operation.method]
    return "[a-z]+"


def test_operation_ids_are_function_names_of_a_verb_and_nouns(
    app: FastAPI, document: Document
) -> None:
    """Check the naming rule; a diff of ``docs/openapi.json`` shows each changed name."""
    functions = endpoints(app.routes)

    for operation in operations(document.content):
        assert operation.id == functions[operation.method, operation.path].__name__
        assert re.fullmatch(f"{usual_verb(operation)}(_[a-z]+)+", operation.id), operation.id


async def test_a_created_row_links_to_every_operation_that_takes_its_id(
    client: AsyncClient, document: Document
) -> None:
    """Check the links of each POST that creates a row; ``docs/openapi.json`` lists them."""
    ids = await create_things(client)
    for creating in filter(lambda one: one.creates, operations(document.content)):
        (parameter,) = {name for link in creating.links.values() for name in link["parameters"]}
        (home,) = (
            operation
            for operation in operations(document.content)
            if operation.method == "GET"
            and operation.path.endswith(f"{{{parameter}}}")
            and operation.path_parameters == [parameter]
        )

        own = placeholder(parameter)
        assert own in ids, (
            f"{creating.id}: declare a Thing for {own} in tests/hostile.py of its feature"
        )
        row_id = ids[own]
        found = await client.get(home.path.replace(f"{{{parameter}}}", row_id))

        assert found.json()["id"] == row_id
        assert creating.links == {
            operation.id: {
                "operationId": operation.id,
                "parameters": {parameter: "$response.body#/id"},
            }
            for operation in operations(document.content)
            if parameter in operation.path_parameters or parameter in operation.query
        }


def test_only_operations_that_create_a_row_have_links(document: Document) -> None:
    for operation in operations(document.content):
        with_links = [
            status
            for status, response in operation.described["responses"].items()
            if "links" in response
        ]
        if operation.issues and not with_links:
            continue  # it makes a row of another path
        makes = operation.creates or operation.issues
        assert with_links == (["201"] if makes else []), operation.id


def test_integer_query_parameters_declare_minimum_and_maximum(document: Document) -> None:
    for operation in operations(document.content):
        bounds = {
            name: (schema["minimum"], schema["maximum"])
            for name, schema in operation.query.items()
            if schema["type"] == "integer"
        }
        if operation.lists:
            assert bounds.items() >= {"limit": (1, 100), "offset": (0, 10_000)}.items()


def own_example(operation: Operation, ids: dict[str, str]) -> Any:
    """Return the example of a request body, with ids of existing rows and times in the future."""
    example = json.loads(operation.example or "")
    for field, value in example.items():
        own = placeholder(field)
        if own in ids:
            example[field] = [ids[own]] if isinstance(value, list) else ids[own]
        elif field in {"starts_at", "ends_at"}:
            example[field] = value.replace(value[:4], "2100")
    return example


BEFORE = {"reopen_competition": ("open", "close")}
"""The acts without a body that come before the example of an operation, at the same row."""


IN_TIME = {"check_in_at_training"}
"""Operations that a training must be about to start for."""


async def test_each_example_body_is_accepted(client: AsyncClient, document: Document) -> None:
    ids = known()
    for operation in operations(document.content):
        url = at_things(operation.path)
        for own, row_id in ids.items():
            url = url.replace(own, row_id)
        if operation.takes is None or "code" in operation.fields:
            continue  # a code is valid once, so no example of one is
        for act in BEFORE.get(operation.id, ()):
            await client.post(f"{url.rpartition('/')[0]}/{act}")
        if operation.id in IN_TIME:
            start = datetime.now(UTC) + timedelta(minutes=30)
            ends_at = start + timedelta(hours=1)
            times = {"starts_at": start.isoformat(), "ends_at": ends_at.isoformat()}
            moved = await client.patch(url.rpartition("/")[0], json=times)
            assert moved.is_success, moved.text
        body = json.dumps(own_example(operation, ids)) if operation.body else operation.example
        declared = {"Content-Type": operation.takes}
        response = await client.request(operation.method, url, content=body, headers=declared)
        assert response.is_success, f"{operation.id}: {response.text}"
        for link in operation.links.values():
            (parameter,) = link["parameters"]
            ids[placeholder(parameter)] = response.json()["id"]


async def test_every_documented_response_occurs(
    client: AsyncClient,
    app: FastAPI,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Call every operation; the client checks each response against its schema."""
    document = Document(app)
    async with client_of(app, document) as client:
        ids = await create_things(client)
        await give_usual_answers(client, document.content, ids)
        for module in modules("examples"):
            await module.give_answers(client, ids, connection)
        await refuse_callers(app, connection, document, ids)
        await delete_what_is_left(client, document.content, ids)
        await refuse_what_comes_late_or_at_length(client, app, document.content, monkeypatch)
        await refuse_new_keys(client, app, document.content, monkeypatch)
        await refuse_conflicts(client, app, document.content, monkeypatch)
        await refuse_without_a_database(client, document.content, monkeypatch)

    functions = endpoints(app.routes)
    assert document.answered == document.operations(), "\n".join(
        f"{operation.id} never answered {status}: request it in give_answers of"
        f" {file_beside(functions[operation.method, operation.path], 'examples')}"
        for operation in operations(document.content)
        for status in operation.described["responses"]
        if (operation.id, status) not in document.answered
    )
