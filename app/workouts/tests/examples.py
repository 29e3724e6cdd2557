"""Responses about workouts that need a certain state."""

from collections.abc import Mapping

from asyncpg import Connection
from httpx import AsyncClient

from app.conftest import API


async def give_answers(client: AsyncClient, ids: Mapping[str, str], connection: Connection) -> None:
    """Write a benchmark twice, and remove a workout from a programme."""
    twin = {"name": "Steps", "benchmark": True}
    await client.post(f"{API}/workouts", json={**twin, "score_type": "time"})
    await client.patch(f"{API}/workouts/{ids['<ladder>']}", json=twin)
    programmed = await client.post(
        f"{API}/centres/{ids['<centre>']}/programme",
        json={"workout_id": ids["<workout>"], "date": "2026-12-03"},
    )
    await client.delete(programmed.headers["Location"])
