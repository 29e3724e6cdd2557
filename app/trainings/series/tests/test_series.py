"""Series: trainings each week, created, changed and cancelled together."""

from httpx import AsyncClient

from app.conftest import API, Create

URL = f"{API}/series"


async def test_a_year_of_five_classes_a_day_takes_at_most_a_second(
    client: AsyncClient, create: Create
) -> None:
    """A placeholder that counts the trainings."""
    centre = await create("centres", {"name": "Box", "time_zone": "Europe/Lisbon", "capacity": 20})
    series = {
        "centre_id": centre["id"],
        "name": "WOD",
        "weekdays": [1, 2, 3, 4, 5, 6, 7],
        "start": "06:30",
        "minutes": 60,
        "capacity": 12,
        "starts_on": "2026-12-01",
        "ends_on": "2027-11-30",
    }

    response = await client.post(URL, json=series)

    assert response.status_code == 201
    assert response.json()["created"] == 365
