"""Responses about trainings and bookings that need a certain time or state."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API
from app.trainings.series.tests.examples import give_series_answers


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Check in to a training that starts soon, and cancel too late, after the start."""
    start = datetime.now(UTC) + timedelta(minutes=30)
    soon = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
    at = {"centre_id": ids["<centre>"], "capacity": 1}
    created = await client.post(f"{API}/trainings", json={"name": "WOD", **at, **soon})
    training = created.headers["Location"]
    athlete = {"athlete_id": ids["<athlete>"]}
    booked = await client.post(f"{training}/bookings", json=athlete)
    acts = "check-out", "check-in", "undo-check-in", "check-in", "check-out", "cancel", "check-in"
    for act in acts:
        await client.post(f"{API}/bookings/{booked.json()['id']}/{act}")
    again = await client.post(f"{training}/bookings", json=athlete)
    door = {"reference": "at the door"}
    await client.patch(f"{API}/athletes/{ids['<athlete>']}", json=door)
    await client.post(f"{training}/check-in", json=door)
    started = "UPDATE trainings SET starts_at = statement_timestamp() WHERE id = $1"
    await connection.execute(started, created.json()["id"])
    await client.post(f"{API}/bookings/{again.json()['id']}/cancel")
    await client.post(f"{training}/cancel")
    await give_series_answers(client, ids)
