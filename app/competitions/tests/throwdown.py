"""A competition whose rows are created over the API."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
from httpx import AsyncClient, Response

from app.conftest import API, Json, lock_waiters

LOCK_BOARD = "SELECT FROM boards WHERE competition_id = $1 FOR NO KEY UPDATE"
LOCK_COMPETITION = "SELECT FROM competitions WHERE id = $1 FOR NO KEY UPDATE"
LOCK_WORKOUT = "SELECT FROM workouts WHERE id = $1 FOR NO KEY UPDATE"


@dataclass
class Throwdown:
    """An open competition of one category, with a workout, an event, and entries."""

    client: AsyncClient
    id: str
    category_id: str
    workout_id: str
    event_id: str
    athlete_ids: list[str]
    entry_ids: list[str]

    @classmethod
    async def opened_by(
        cls, client: AsyncClient, athletes: int, category: str = "Open", **workout: Any
    ) -> Self:
        """Create it, with this number of athletes, who have entered. The workout is for time."""

        async def id_of(path: str, payload: Json) -> str:
            response = await client.post(f"{API}/{path}", json=payload)
            assert response.status_code == 201, response.text
            return str(response.json()["id"])

        category_id = await id_of("categories", {"name": category})
        workout_id = await id_of("workouts", {"name": "Sprint", "score_type": "time"} | workout)
        dates = {"starts_on": "2026-12-05", "ends_on": "2026-12-06"}
        one = await id_of("competitions", {"name": "Throwdown", **dates})
        event_id = await id_of(
            f"competitions/{one}/events",
            {"workout_id": workout_id, "published_at": "2026-01-01T00:00:00Z"},
        )
        people = [{"name": f"A{n:03}", "category_id": category_id} for n in range(athletes)]
        athlete_ids = await asyncio.gather(*(id_of("athletes", person) for person in people))
        entry_ids = await asyncio.gather(
            *(id_of(f"competitions/{one}/entries", {"athlete_id": who}) for who in athlete_ids)
        )
        throwdown = cls(client, one, category_id, workout_id, event_id, athlete_ids, entry_ids)
        assert (await throwdown.move("open")).status_code == 200
        return throwdown

    async def move(self, verb: str, **payload: Any) -> Response:
        """Open, close, finalise or reopen it."""
        return await self.client.post(f"{API}/competitions/{self.id}/{verb}", json=payload or None)

    async def change(self, **payload: Any) -> Response:
        """Change fields of the competition."""
        return await self.client.patch(f"{API}/competitions/{self.id}", json=payload)

    async def change_event(self, **payload: Any) -> Response:
        """Change fields of the event."""
        return await self.client.patch(f"{API}/competition-events/{self.event_id}", json=payload)

    async def change_workout(self, **payload: Any) -> Response:
        """Change fields of the workout."""
        return await self.client.patch(f"{API}/workouts/{self.workout_id}", json=payload)

    async def add_event(self) -> str:
        """Add another event with the same workout; return its id."""
        payload = {"workout_id": self.workout_id, "published_at": "2026-01-01T00:00:00Z"}
        response = await self.client.post(f"{API}/competitions/{self.id}/events", json=payload)
        return str(response.json()["id"])

    async def enter(self, athlete_id: str) -> Response:
        """Enter an athlete."""
        url = f"{API}/competitions/{self.id}/entries"
        return await self.client.post(url, json={"athlete_id": athlete_id})

    async def leave(self, entry_id: str) -> Response:
        """Delete an entry."""
        return await self.client.delete(f"{API}/entries/{entry_id}")

    async def withdraw(self, entry_id: str, before: int = 1) -> Response:
        """Withdraw an athlete before an event."""
        url = f"{API}/entries/{entry_id}/withdraw"
        return await self.client.post(url, json={"before_event": before})

    async def put(self, entry_id: str, score: str, event_id: str | None = None) -> Response:
        """Write the result of an entry in the event, or in another one."""
        url = f"{API}/competition-events/{event_id or self.event_id}/results/{entry_id}"
        return await self.client.put(url, json={"score": score})

    async def board(self, **query: Any) -> Json:
        """Read the leaderboard: its first 100 entries."""
        response = await self.client.get(
            f"{API}/competitions/{self.id}/leaderboard",
            params={"category_id": self.category_id, "limit": 100, **query},
        )
        assert response.status_code == 200, response.text
        board: Json = response.json()
        return board

    async def scores(self) -> dict[str, str | None]:
        """Read the score of each entry in the event, from the leaderboard."""
        return scores_on(await self.board())


def scores_on(board: Json) -> dict[str, str | None]:
    """Return the score of each entry in the first event; None without a result."""
    return {
        item["entry_id"]: item["events"][0]["score"] if item["events"] else None
        for item in board["items"]
    }


async def together(*requests: Awaitable[Response]) -> Counter[str]:
    """Send requests at once; count the responses by status code, and by problem type if any."""
    return Counter(map(kind, await asyncio.gather(*requests)))


def kind(response: Response) -> str:
    """Return the status code of a response, and the problem type if it is one."""
    if response.status_code < 400:
        return str(response.status_code)
    return f"{response.status_code} {response.json()['type'].rpartition('/')[2]}"


async def in_order(
    other: asyncpg.Connection, lock: str, row_id: str, requests: Iterable[Awaitable[Response]]
) -> list[Response]:
    """Hold a lock until all requests wait, one behind the other; return their responses."""
    tasks: list[asyncio.Future[Response]] = []
    async with other.transaction():
        await other.execute(lock, row_id)
        for request in requests:
            tasks.append(asyncio.ensure_future(request))
            await lock_waiters(other, len(tasks))
    return list(await asyncio.gather(*tasks))
