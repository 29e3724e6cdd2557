"""The whiteboard of a centre."""

from typing import Any

from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.conftest import API, Create, Json, client_of, not_found

DAY = "2026-11-20"


async def test_it_shows_the_results_of_a_day_as_they_were_logged_or_ranked(
    client: AsyncClient, create: Create
) -> None:
    category = await create("categories", {"name": "Rx"})
    centre = await create("centres", {"name": "Box", "time_zone": "Pacific/Auckland"})
    hills = await create("workouts", {"name": "Hills", "score_type": "time", "total_reps": 90})
    extra = await create("workouts", {"name": "Extra", "score_type": "reps"})
    programme = {"workout_id": hills["id"], "date": DAY, "notes": "Warm up."}
    programme["published_at"] = "2026-11-19T00:00:00Z"
    await create(f"centres/{centre['id']}/programme", programme)
    athletes: dict[str, Json] = {}

    async def log(name: str, workout: Json, score: str, **fields: Any) -> Json:
        if name not in athletes:
            athletes[name] = await create("athletes", {"name": name, "category_id": category["id"]})
        payload = {
            "athlete_id": athletes[name]["id"],
            "workout_id": workout["id"],
            "centre_id": centre["id"],
            # The last minute of the day there.
            "performed_at": "2026-11-20T10:59:00Z",
            "score": score,
        }
        return await create("results", {**payload, **fields})

    logged = [
        await log("Ana", hills, "6:21", scaling="scaled"),
        await log("Bea", hills, "CAP+12"),
        await log("Cem", hills, "7:00"),
        await log("Dov", hills, "7:00"),
        await log("Eva", hills, "DNF"),
    ]
    other = await log("Ana", extra, "31")
    await log("Ana", hills, "6:20", performed_at="2026-11-20T11:00:00Z")

    def row(result: Json, place: int | None) -> Json:
        fields = "id", "athlete", "scaling", "outcome", "score", "tie_break"
        return {
            **{name: result[name] for name in fields},
            "place": place,
            "logged_at": result["created_at"],
        }

    url = f"{API}/centres/{centre['id']}/whiteboard?date={DAY}"
    response = await client.get(url)
    assert response.json() == {
        "centre": {"id": centre["id"], "name": "Box"},
        "date": DAY,
        "workouts": [
            {
                "workout": logged[0]["workout"],
                "position": 1,
                "notes": "Warm up.",
                "results": [row(result, None) for result in logged],
            },
            {
                "workout": other["workout"],
                "position": None,
                "notes": None,
                "results": [row(other, None)],
            },
        ],
    }
    ana, bea, cem, dov, eva = logged
    ranked = (await client.get(f"{url}&order=place")).json()["workouts"]
    assert [workout["results"] for workout in ranked] == [
        [row(cem, 1), row(dov, 1), row(bea, 3), row(ana, 4), row(eva, None)],
        [row(other, 1)],
    ]
    same = {"If-None-Match": response.headers["ETag"]}
    assert (await client.get(url, headers=same)).status_code == 304
    today = (await client.get(url.partition("?")[0])).json()
    assert (today["date"] > DAY, today["workouts"]) == (True, [])


async def test_only_staff_see_what_is_not_published(
    client: AsyncClient, app: FastAPI, connection: Connection
) -> None:
    await add_gym(connection)
    url = f"{API}/centres/{IDS['centre']['own']}/whiteboard?date=2026-12-01"
    seen = {}
    for role in ("coach", "member", "device"):
        async with client_of(app, caller=ROLES[role]) as caller:
            board = (await caller.get(url)).json()
            foreign = await caller.get(f"{API}/centres/{IDS['centre']['foreign']}/whiteboard")
        seen[role] = [workout["position"] for workout in board["workouts"]], foreign.status_code
    assert seen == {"coach": ([1, 2], 403), "member": ([1], 403), "device": ([1], 404)}
    unknown = f"{API}/centres/{IDS['workout']['own']}/whiteboard"
    assert not_found(await client.get(unknown))
