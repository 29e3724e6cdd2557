"""Rights: each operation, by each role, for own, shared and foreign rows."""

import re
from typing import Any

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.api.tests.operations import operations
from app.api.tests.rights_table import CASES, Case
from app.conftest import API, client_of
from app.core.http.tests.document import Document


@pytest.fixture
async def gym(connection: Connection) -> None:
    """Fill the database."""
    await add_gym(connection)


def filled(template: Any, row: str) -> Any:
    """Replace placeholders: ``<athlete foreign>``, or ``<athlete>`` for the row of a case."""
    if isinstance(template, dict):
        return {name: filled(value, row) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, row) for value in template]
    if not isinstance(template, str):
        return template
    return re.sub(r"<(\w+) ?(\w*)>", lambda found: str(IDS[found[1]][found[2] or row]), template)


async def code_of(client: AsyncClient, case: Case, row: str, connection: Connection) -> int:
    """Send the request of a case for a row; undo what it does; return the status code."""
    method, path = filled(case.request, row).split(" ")
    body: dict[str, Any] = {}
    if isinstance(case.body, str):
        body = {"content": case.body, "headers": {"Content-Type": "text/csv"}}
    elif case.body is not None:
        body = {"json": filled(case.body, row)}
    undone = connection.transaction()
    await undone.start()
    response = await client.request(method, f"{API}{path}", **body)
    await undone.rollback()
    return response.status_code


def test_every_operation_has_a_line_in_the_table(document: Document) -> None:
    needing = {one.id for one in operations(document.content) if not one.is_public}

    assert {case.operation for case in CASES} == needing


@pytest.mark.parametrize("role", ROLES)
async def test_the_status_codes_of_a_role_are_those_of_the_table(
    app: FastAPI,
    client: AsyncClient,
    document: Document,
    connection: Connection,
    gym: None,
    role: str,
) -> None:
    wrong = []

    async with client_of(app, document, caller=ROLES[role]) as caller:
        for case in CASES:
            for number, row in enumerate(case.rows.split()):
                code = await code_of(caller, case, row, connection)
                if code != case.code(role, number):
                    wrong.append(f"{case.request} {case.body} {row}: {code}")

    assert wrong == []
