"""What callers with several roles see and reach, beyond the table of rights."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.conftest import API, client_of, problem

OWN, FOREIGN = IDS["centre"]["own"], IDS["centre"]["foreign"]
ATHLETE, TRAINING = IDS["athlete"], IDS["training"]


@pytest.fixture(autouse=True)
async def gym(client: AsyncClient, connection: Connection) -> None:
    """Fill the database; ``client`` connects the app to it."""
    await add_gym(connection)


@pytest.fixture
async def caller(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Provide a client of the app without a token."""
    async with client_of(app, caller=None) as caller:
        yield caller


async def add_role(connection: Connection, name: str, centre_id: UUID, role: str) -> None:
    await connection.execute(
        "INSERT INTO staff (id, account_id, centre_id, role)"
        " VALUES (gen_random_uuid(), $1, $2, $3)",
        ROLES[name].id,
        centre_id,
        role,
    )


async def test_a_coach_cannot_enrol_an_athlete_where_the_coach_would_see_them_in_full(
    caller: AsyncClient, connection: Connection
) -> None:
    await add_role(connection, "coach", FOREIGN, "owner")
    url = f"{API}/athletes/{ATHLETE['own']}/centres/{FOREIGN}"

    response = await caller.put(url, headers=ROLES["coach"].headers)

    assert problem(response) == (403, "/problems/forbidden", [])
