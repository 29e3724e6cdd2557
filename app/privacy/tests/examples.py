"""Responses about erasing that need some state."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API
from app.identity.tests.callers import ADMIN


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Erase somebody, but not the last administrator."""
    person = {"name": "Somebody", "category_id": ids["<category>"]}
    erased = f"{API}/athletes/{ids['<erased>']}"
    await client.post(f"{erased}/erase")
    await client.patch(erased, json=person)
    admin = (await client.post(f"{API}/athletes", json=person)).json()["id"]
    await client.patch(f"{API}/accounts/{ADMIN.id}", json={"athlete_id": admin})
    await client.post(f"{API}/athletes/{admin}/erase")
    await client.patch(f"{API}/accounts/{ADMIN.id}", json={"athlete_id": None})
