"""The records of an athlete."""

from typing import Any

from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.conftest import API, Create, Json, client_of

PATHS = "records", "results"


async def test_the_best_of_each_workout_and_scaling_counts(
    client: AsyncClient, create: Create
) -> None:
    category = await create("categories", {"name": "Rx"})
    centre = await create("centres", {"name": "Box", "time_zone": "UTC"})
    athlete = await create("athletes", {"name": "Ana", "category_id": category["id"]})
    fran = await create("workouts", {"name": "Fran", "score_type": "time", "total_reps": 90})
    lift = await create("workouts", {"name": "Deadlift", "score_type": "load"})

    async def log(workout: Json, day: int, score: str, **fields: Any) -> Json:
        payload = {
            "athlete_id": athlete["id"],
            "workout_id": workout["id"],
            "centre_id": centre["id"],
            "performed_at": f"2026-11-{day:02}T10:00:00Z",
            "score": score,
        }
        return await create("results", {**payload, **fields})

    heavy = await log(lift, 3, "225 lb")
    await log(lift, 4, "102 kg")  # 225 lb are 102.058 kg
    await log(lift, 5, "DNF")
    await log(fran, 1, "CAP+1")
    await log(fran, 3, "3:10")
    best = await log(fran, 2, "3:10")
    scaled = await log(fran, 1, "2:59", scaling="scaled")
    cheated = await log(fran, 6, "1:10")
    review = await client.post(f"{API}/results/{cheated['id']}/review", json={"review": "invalid"})
    assert review.status_code == 200

    records = (await client.get(f"{API}/athletes/{athlete['id']}/records")).json()

    def record(result: Json, percentages: list[Json] | None) -> Json:
        fields = "workout", "scaling", "score", "performed_on"
        return {
            **{name: result[name] for name in fields},
            "result_id": result["id"],
            "percentages": percentages,
        }

    loads = (51029, 56132, 61235, 66338, 71441, 76544, 81646, 86749, 91852, 96955)
    percentages = [
        {"percent": percent, "load_g": load}
        for percent, load in zip(range(50, 100, 5), loads, strict=True)
    ]
    assert records == {
        "items": [record(heavy, percentages), record(best, None), record(scaled, None)]
    }


async def test_records_have_only_results_that_the_caller_sees(
    client: AsyncClient, app: FastAPI, connection: Connection
) -> None:
    await add_gym(connection)
    url = f"{API}/athletes/{IDS['athlete']['shared']}"
    result = {
        "athlete_id": str(IDS["athlete"]["shared"]),
        "workout_id": str(IDS["workout"]["benchmark"]),
        "centre_id": str(IDS["centre"]["foreign"]),
        "score": "3:00",
    }
    assert (await client.post(f"{API}/results", json=result)).status_code == 201

    async with client_of(app, caller=ROLES["coach"]) as coach:
        seen = [(await coach.get(f"{url}/{path}")).json()["items"] for path in PATHS]
    every = [(await client.get(f"{url}/{path}")).json()["items"] for path in PATHS]

    assert seen == [[], []]
    assert [len(items) for items in every] == [1, 1]
