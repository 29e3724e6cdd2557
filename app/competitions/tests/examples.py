"""Responses about competitions that need a certain state."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Do everything once too often, and then when the competition is final."""
    days = {"starts_on": "2026-12-05", "ends_on": "2026-12-06"}
    made = await client.post(f"{API}/competitions", json={"name": "Games", **days})
    competition = made.headers["Location"]
    for act in ("close", "finalise"):
        await client.post(f"{competition}/{act}")
    await client.post(f"{competition}/reopen", json={"reason": "A mistake."})
    new_event = {"workout_id": ids["<workout>"], "published_at": "2026-01-01T00:00:00Z"}
    new_entry = {"athlete_id": ids["<athlete>"]}
    unused = await client.post(f"{competition}/events", json=new_event)
    await client.delete(unused.headers["Location"])
    wrong = await client.post(f"{competition}/entries", json=new_entry)
    await client.delete(wrong.headers["Location"])
    event = await client.post(f"{competition}/events", json=new_event)
    entry = await client.post(f"{competition}/entries", json=new_entry)
    await client.post(f"{competition}/open")
    scored = f"{API}/competition-events/{event.json()['id']}/results/{entry.json()['id']}"
    await client.put(scored, json={"score": "6:21"})
    await client.delete(event.headers["Location"])
    await client.delete(entry.headers["Location"])
    await client.patch(
        event.headers["Location"], json={"closes_at": None}, headers={"If-Match": '"9-0"'}
    )
    await client.post(f"{competition}/close")
    await client.post(f"{competition}/open")
    await client.post(f"{competition}/finalise")
    csv = {"Content-Type": "text/csv"}
    await client.post(f"{competition}/import", content="reference\n", headers=csv)
    await client.post(f"{entry.headers['Location']}/withdraw", json={"before_event": 9})
    for act in ("disqualify", "reinstate"):
        await client.post(f"{entry.headers['Location']}/{act}")
