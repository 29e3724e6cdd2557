"""Responses about athletes that need more than a usual request."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API


async def give_answers(client: AsyncClient, ids: Mapping[str, str], _: Connection) -> None:
    """Look up an athlete who exists."""
    athlete = f"{API}/athletes/{ids['<athlete>']}"
    known = {"reference": "M-1"}
    await client.patch(athlete, json=known)
    await client.post(f"{API}/athletes/lookup", json=known)
