"""Responses about results that need a certain state."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Write, review and delete a result in an event, also when the competition is final."""
    scored = f"{API}/competition-events/{ids['<event>']}/results/{ids['<entry>']}"
    score = {"score": "6:21"}
    found = await client.put(scored, json=score)
    result = f"{API}/results/{found.json()['id']}"
    await client.patch(result, json=score, headers={"If-Match": '"0-0"'})
    await client.post(f"{result}/review", json={"review": "valid"})
    await client.delete(scored)
    again = await client.put(scored, json=score)
    result = f"{API}/results/{again.json()['id']}"
    await client.post(f"{API}/competitions/{ids['<live>']}/finalise")
    await client.put(scored, json=score)
    await client.delete(scored)
    await client.patch(result, json=score)
    await client.post(f"{result}/review", json={"review": "valid"})
    await client.delete(result)
    await client.post(f"{API}/competitions/{ids['<live>']}/reopen", json={"reason": "Go on."})
