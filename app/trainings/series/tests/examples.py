"""Responses about series that need a certain state."""

from collections.abc import Mapping

from httpx import AsyncClient

from app.conftest import API


async def give_series_answers(client: AsyncClient, ids: Mapping[str, str]) -> None:
    """Do not fit a centre, need a taken place in its programme, and move into a busy time."""
    hall = {"name": "Small hall", "capacity": 12}
    centre = (await client.post(f"{API}/centres", json=hall)).json()["id"]
    days = {"starts_on": "2104-01-01", "ends_on": "2104-01-01", "weekdays": [1, 2, 3, 4, 5, 6, 7]}
    new = {"name": "WOD", "minutes": 60, "capacity": 12, "centre_id": centre, **days}
    workout = {"workout_id": ids["<workout>"], "date": "2104-01-01"}
    series = [
        await client.post(f"{API}/series", json={**new, "start": start, "programme": programme})
        for start, programme in (
            ("08:00", [workout]),
            ("09:00", []),
            ("09:30", []),
            ("10:00", [workout]),
        )
    ]
    first = series[0].headers["Location"]
    await client.patch(first, json={"start": "09:00"})
    found = await client.get(
        f"{API}/trainings?centre_id={centre}&from=2104-01-01T00:00:00Z&to=2104-01-02T00:00:00Z"
    )
    athlete = {"athlete_id": ids["<athlete>"]}
    for training in found.json()["items"]:
        await client.post(f"{API}/trainings/{training['id']}/bookings", json=athlete)
    await client.patch(f"{API}/centres/{centre}", json={"capacity": None})
    await client.patch(first, json={"start": "09:00", "include_booked": True})
    await client.delete(first)
