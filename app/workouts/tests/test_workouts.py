"""Workouts and the programmes of centres: writing, reading and listing them."""

from typing import Any

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.conftest import API, Create, Json, client_of, problem

URL = f"{API}/workouts"
FRAN = {"name": "Fran", "score_type": "time"}


class TestWorkouts:
    async def test_a_workout_keeps_its_line_breaks_and_gets_the_usual_best_score(
        self, client: AsyncClient
    ) -> None:
        response = await client.post(
            URL,
            json={
                "name": " Hill  Repeats ",
                "description": "\r\n5 rounds:\r\n  400 m   run\r\n\r\n\r\nRest 1 min.\n",
                "score_type": "time",
                "time_cap_ms": 1_200_000,
            },
        )

        created = response.json()
        assert response.status_code == 201
        assert created == {
            "id": created["id"],
            "version": 1,
            "created_at": created["created_at"],
            "updated_at": created["created_at"],
            "name": "Hill Repeats",
            "description": "5 rounds:\n400 m run\n\nRest 1 min.",
            "benchmark": False,
            "score_type": "time",
            "best": "lowest",
            "time_cap_ms": 1_200_000,
            "total_reps": None,
            "tie_break": "none",
        }
        assert (await client.get(response.headers["Location"])).json() == created

    @pytest.mark.parametrize(
        ("fields", "best"),
        [
            ({"score_type": "load"}, "highest"),
            ({"score_type": "none"}, "highest"),
            ({"score_type": "time", "best": "highest"}, "highest"),
            ({"score_type": "points", "best": "lowest"}, "lowest"),
        ],
    )
    async def test_the_best_score_follows_from_its_type_unless_it_is_given(
        self, client: AsyncClient, fields: Json, best: str
    ) -> None:
        response = await client.post(URL, json={"name": "Test", **fields})
        assert (response.status_code, response.json()["best"]) == (201, best)

    async def test_only_benchmarks_have_unique_names(self, client: AsyncClient) -> None:
        await client.post(URL, json={**FRAN, "benchmark": True})
        mine = await client.post(URL, json={**FRAN, "name": "FRÁN"})

        assert mine.status_code == 201
        taken = 409, "/problems/already-taken", [("/name", "taken")]
        again = await client.post(URL, json={**FRAN, "name": "fran", "benchmark": True})
        assert problem(again) == taken
        raised = await client.patch(mine.headers["Location"], json={"benchmark": True})
        assert problem(raised) == taken

    async def test_a_coach_who_changes_a_stale_workout_is_told_so(
        self, client: AsyncClient, app: FastAPI, connection: Connection
    ) -> None:
        await add_gym(connection)
        url = f"{URL}/{IDS['workout']['own']}"
        async with client_of(app, caller=ROLES["coach"]) as coach:
            tag = (await coach.get(url)).headers["ETag"]
            first = await coach.patch(url, json={"name": "Ramps"}, headers={"If-Match": tag})
            late = await coach.patch(url, json={"name": "Steps"}, headers={"If-Match": tag})

        assert (first.status_code, first.json()["name"]) == (200, "Ramps")
        assert problem(late) == (412, "/problems/precondition-failed", [])

    async def test_a_workout_without_a_score_has_no_tie_break(self, client: AsyncClient) -> None:
        fields = {"name": "Mobility", "score_type": "none", "tie_break": "time"}
        response = await client.post(URL, json=fields)
        assert response.status_code == 422
        assert response.json()["errors"] == [
            {
                "pointer": "/tie_break",
                "code": "no_score",
                "detail": "A workout without a score has no tie-break.",
            }
        ]

    async def test_lists_filter_by_benchmark_and_score_type(self, client: AsyncClient) -> None:
        for name, benchmark, score_type in (
            ("Fran", True, "time"),
            ("Cindy", True, "rounds_reps"),
            ("Hills", False, "time"),
        ):
            fields = {"name": name, "benchmark": benchmark, "score_type": score_type}
            await client.post(URL, json=fields)

        async def listed(query: str) -> list[str]:
            page = (await client.get(f"{URL}?{query}")).json()
            return [workout["name"] for workout in page["items"]]

        assert await listed("") == ["Cindy", "Fran", "Hills"]
        assert await listed("benchmark=true&sort=-name") == ["Fran", "Cindy"]
        assert await listed("benchmark=false") == ["Hills"]
        assert await listed("score_type=time&name=hil") == ["Hills"]


class TestProgramme:
    async def test_the_programme_shows_what_is_done_in_the_order_of_the_day(
        self, client: AsyncClient, create: Create
    ) -> None:
        centre = await create("centres", {"name": "Box"})
        workout = await create("workouts", FRAN)
        url = f"{API}/centres/{centre['id']}/programme"

        async def add(date: str, position: int, **fields: Any) -> Json:
            row = {"workout_id": workout["id"], "date": date, "position": position, **fields}
            response = await client.post(url, json=row)
            assert response.status_code == 201, response.text
            assert response.headers["Location"] == f"{API}/programme/{response.json()['id']}"
            added: Json = response.json()
            return added

        second = await add("2026-12-01", 10, notes="Then:\nstretch.")
        first = await add("2026-12-01", 9, published_at="2026-11-30T18:00:00+01:00")
        later = await add("2026-12-02", 1)
        await add("2026-11-30", 100)

        assert first == {
            "id": first["id"],
            "version": 1,
            "created_at": first["created_at"],
            "updated_at": first["created_at"],
            "date": "2026-12-01",
            "position": 9,
            "notes": None,
            "published_at": "2026-11-30T17:00:00.000000Z",
            "centre": {"id": centre["id"], "name": "Box"},
            "workout": {
                name: workout[name]
                for name in (
                    *("id", "name", "description", "score_type", "best", "time_cap_ms"),
                    *("total_reps", "tie_break"),
                )
            },
        }
        page = await client.get(f"{url}?from=2026-12-01&to=2026-12-02")
        assert page.json() == {"items": [first, second, later], "next": None, "total": None}
        page = await client.get(f"{url}?to=2026-12-01&sort=-date&limit=1")
        assert page.json()["items"] == [second]
        rest = await client.get(page.json()["next"])
        assert rest.json()["items"] == [first]

    async def test_two_workouts_of_a_day_have_different_positions(
        self, client: AsyncClient, create: Create
    ) -> None:
        centre = await create("centres", {"name": "Box"})
        workout = await create("workouts", FRAN)
        url = f"{API}/centres/{centre['id']}/programme"
        row = {"workout_id": workout["id"], "date": "2026-12-01"}
        await client.post(url, json=row)
        moved = await client.post(url, json={**row, "date": "2026-12-02"})

        detail = "Another workout has this position on that day."
        again = await client.post(url, json=row)
        assert again.status_code == 409
        assert again.json()["errors"] == [
            {"pointer": "/position", "code": "taken", "detail": detail}
        ]
        there = f"{API}/programme/{moved.json()['id']}"
        onto = await client.patch(there, json={"date": "2026-12-01"})
        assert onto.status_code == 409
        assert onto.json()["errors"] == [{"pointer": "/date", "code": "taken", "detail": detail}]
        beside = await client.patch(there, json={"date": "2026-12-01", "position": 2})
        assert (beside.status_code, beside.json()["version"]) == (200, 2)

    async def test_the_programme_of_no_centre_is_not_found(
        self, client: AsyncClient, create: Create
    ) -> None:
        workout = await create("workouts", FRAN)
        row = {"workout_id": workout["id"], "date": "2026-12-01"}
        response = await client.post(f"{API}/centres/{workout['id']}/programme", json=row)
        assert response.status_code == 404
        assert response.json()["detail"] == "There is no such centre."

    async def test_members_and_devices_see_what_is_published(
        self, client: AsyncClient, app: FastAPI, connection: Connection
    ) -> None:
        await add_gym(connection)
        url = f"{API}/centres/{IDS['centre']['own']}/programme?total=true"
        published, draft = (str(IDS["programmed"][name]) for name in ("published", "draft"))

        seen = {}
        for role in ("coach", "desk", "member", "device"):
            async with client_of(app, caller=ROLES[role]) as caller:
                page = (await caller.get(url)).json()
            seen[role] = [row["id"] for row in page["items"]]
            assert page["total"] == len(seen[role])

        assert seen == {
            "coach": [published, draft],
            "desk": [published, draft],
            "member": [published],
            "device": [published],
        }
