"""A competition with its events, entries and results, which are created over the API."""

from dataclasses import dataclass
from typing import Any

import pytest
from asyncpg import Connection
from httpx import AsyncClient, Response

from app.conftest import API, Create, Json

LONG_AGO = "2026-01-01T00:00:00Z"
LATER = "2126-01-01T00:00:00Z"
FOR_TIME: Json = {
    "name": "Short one",
    "score_type": "time",
    "time_cap_ms": 600_000,
    "total_reps": 90,
}


@dataclass
class Throwdown:
    """A competition in one category."""

    client: AsyncClient
    create: Create
    category_id: str
    competition: Json

    @classmethod
    async def planned(cls, client: AsyncClient, create: Create, **fields: Any) -> "Throwdown":
        """Create a category, and a competition as a draft."""
        category = await create("categories", {"name": "Rx"})
        dates = {"starts_on": "2026-12-05", "ends_on": "2026-12-06"}
        competition = await create("competitions", {"name": "Throwdown", **dates, **fields})
        return cls(client, create, category["id"], competition)

    @property
    def url(self) -> str:
        """The URL of the competition."""
        return f"{API}/competitions/{self.competition['id']}"

    async def act(self, action: str, **fields: Any) -> Response:
        """Open, close, finalise or reopen it."""
        return await self.client.post(f"{self.url}/{action}", json=fields or None)

    async def event(self, workout: Json = FOR_TIME, **fields: Any) -> Json:
        """Add an event with a new workout."""
        made = await self.create("workouts", workout)
        payload = {"workout_id": made["id"], "published_at": LONG_AGO, **fields}
        return await self.create(f"competitions/{self.competition['id']}/events", payload)

    async def enter(self, name: str, **fields: Any) -> Json:
        """Enter a new athlete."""
        person = {"name": name, "category_id": self.category_id, **fields}
        athlete = await self.create("athletes", person)
        path = f"competitions/{self.competition['id']}/entries"
        return await self.create(path, {"athlete_id": athlete["id"]})

    async def put(self, event: Json, entry: Json, score: str, **fields: Any) -> Json:
        """Write a result."""
        url = f"{API}/competition-events/{event['id']}/results/{entry['id']}"
        response = await self.client.put(url, json={"score": score, **fields})
        assert response.status_code == 200, response.text
        written: Json = response.json()
        return written

    async def board(self, **params: Any) -> Json:
        """Read a page of the leaderboard."""
        query = {"category_id": self.category_id, **params}
        response = await self.client.get(f"{self.url}/leaderboard", params=query)
        assert response.status_code == 200, response.text
        page: Json = response.json()
        return page

    async def ranks(self, **params: Any) -> list[tuple[str, int | None, int]]:
        """Return the name, the rank and the points of each row of the leaderboard."""
        rows = (await self.board(**params))["items"]
        return [(row["athlete"]["name"], row["rank"], row["points"]) for row in rows]


@pytest.fixture
async def throwdown(client: AsyncClient, create: Create) -> Throwdown:
    """Create a competition that is open."""
    throwdown = await Throwdown.planned(client, create, overall_tie="shared")
    assert (await throwdown.act("open")).status_code == 200
    return throwdown


async def journal(connection: Connection, kind: str) -> list[tuple[str, list[str]]]:
    """Return what the journal has about one kind of resource: types and changed fields."""
    rows = await connection.fetch(
        "SELECT type, changed FROM events WHERE type LIKE $1 || '.%' ORDER BY id", kind
    )
    return [(row["type"], row["changed"]) for row in rows]
