"""Responses about athletes that need more than a usual request."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.athletes.models import MOST_CENTRES
from app.conftest import API

CENTRES = """
    INSERT INTO centres (id, name, name_key, time_zone)
    SELECT gen_random_uuid(), number, number, 'UTC' FROM generate_series(1, $1::int) AS number
    RETURNING id
"""


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Look up an athlete who exists, and enrol one at too many centres."""
    athlete = f"{API}/athletes/{ids['<athlete>']}"
    known = {"reference": "M-1"}
    await client.patch(athlete, json=known)
    await client.post(f"{API}/athletes/lookup", json=known)

    centre_ids = [str(centre["id"]) for centre in await connection.fetch(CENTRES, MOST_CENTRES)]
    before = (await client.get(athlete)).json()["centres"]
    await client.patch(athlete, json={"centre_ids": centre_ids})
    await client.put(f"{athlete}/centres/{ids['<centre>']}")
    await client.patch(athlete, json={"centre_ids": [centre["id"] for centre in before]})
