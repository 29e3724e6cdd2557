"""Results: scores in and out, submitting, judging, corrections, and who may do what."""

from typing import Any

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.api.tests.gym import IDS, ROLES, add_gym
from app.competitions.tests.conftest import (
    FOR_TIME,
    LATER,
    LONG_AGO,
    Throwdown,
    journal,
    throwdown,
)
from app.conftest import API, Create, Json, client_of, problem

__all__ = ["throwdown"]

WRONG_STATE: tuple[int, str, list[tuple[str, str]]] = (409, "/problems/wrong-state", [])
FORBIDDEN: tuple[int, str, list[tuple[str, str]]] = (403, "/problems/forbidden", [])
MEASURES = ("time_ms", "rounds", "reps", "load_g", "distance_mm", "calories", "points")
WORKOUTS: dict[str, Json] = {
    "time": {**FOR_TIME, "tie_break": "time"},
    "no total": {"name": "Chipper", "score_type": "time", "time_cap_ms": 600_000},
    "hold": {"name": "Hang", "score_type": "time", "best": "highest"},
    "rounds": {"name": "Cindy", "score_type": "rounds_reps", "tie_break": "reps"},
    "reps": {"name": "Burpees", "score_type": "reps"},
    "load": {"name": "Deadlift", "score_type": "load"},
    "none": {"name": "Mobility", "score_type": "none"},
}


@pytest.fixture
async def log(client: AsyncClient, create: Create) -> Any:
    """Provide a function that logs a result in one of the workouts."""
    category = await create("categories", {"name": "Rx"})
    centre = await create("centres", {"name": "Box", "time_zone": "Pacific/Auckland"})
    athlete = await create("athletes", {"name": "Ana", "category_id": category["id"]})
    made: dict[str, Json] = {}

    async def log(workout: str, key: str | None = None, **fields: Any) -> Response:
        if workout not in made:
            made[workout] = await create("workouts", WORKOUTS[workout])
        ids = {
            "athlete_id": athlete["id"],
            "workout_id": made[workout]["id"],
            "centre_id": centre["id"],
        }
        headers = {"Idempotency-Key": key} if key else {}
        return await client.post(f"{API}/results", json={**ids, **fields}, headers=headers)

    return log


class TestScores:
    async def test_a_result_is_answered_as_text_and_as_numbers(
        self, client: AsyncClient, log: Any
    ) -> None:
        noon = "2026-11-20T12:30:00+01:00"
        response = await log("time", score="6:21", tie_break="4:10", performed_at=noon)

        result = response.json()
        assert response.status_code == 201
        assert result == {
            "id": result["id"],
            "version": 1,
            "created_at": result["created_at"],
            "updated_at": result["created_at"],
            "workout": {
                "id": result["workout"]["id"],
                "name": "Short one",
                "score_type": "time",
                "best": "lowest",
                "tie_break": "time",
            },
            **dict.fromkeys(("competition", "event", "entry", "category", "training_id")),
            "centre": {"id": result["centre"]["id"], "name": "Box"},
            "performed_at": "2026-11-20T11:30:00.000000Z",
            "performed_on": "2026-11-21",
            "scaling": "rx",
            "outcome": "finished",
            "score": "6:21",
            **dict.fromkeys(MEASURES),
            "time_ms": 381_000,
            "tie_break": "4:10",
            "tie_break_value": 250_000,
            "review": "none",
            **dict.fromkeys(("judge", "video_url", "notes")),
            "athlete": {"id": result["athlete"]["id"], "name": "Ana"},
        }
        read = await client.get(response.headers["Location"])
        assert read.json() == result
        same = {"If-None-Match": read.headers["ETag"]}
        assert (await client.get(response.headers["Location"], headers=same)).status_code == 304

    async def test_scores_are_typed_as_people_say_them_or_given_as_fields(self, log: Any) -> None:
        async def read(workout: str, **fields: Any) -> tuple[str, str, Json]:
            result = (await log(workout, **fields)).json()
            measures = {name: result[name] for name in MEASURES if result[name] is not None}
            return result["score"], result["outcome"], measures

        dnf: Json = {}
        for workout, fields, answer in (
            ("time", {"score": "CAP+12"}, ("CAP+12", "capped", {"reps": 78})),
            ("time", {"score": "78 reps"}, ("78 reps", "capped", {"reps": 78})),
            ("time", {"outcome": "capped", "reps": 78}, ("CAP+12", "capped", {"reps": 78})),
            # A published time over the cap is a finish.
            ("time", {"score": "10:30"}, ("10:30", "finished", {"time_ms": 630_000})),
            ("time", {"score": "DNF"}, ("DNF", "dnf", dnf)),
            ("time", {"outcome": "dns"}, ("DNS", "dns", dnf)),
            ("no total", {"outcome": "capped", "reps": 7}, ("7 reps", "capped", {"reps": 7})),
            ("rounds", {"score": "5+12"}, ("5+12", "finished", {"rounds": 5, "reps": 12})),
            ("rounds", {"rounds": 5, "reps": 0}, ("5+0", "finished", {"rounds": 5, "reps": 0})),
            ("reps", {"score": "171 reps"}, ("171 reps", "finished", {"reps": 171})),
            ("reps", {"reps": 0}, ("0 reps", "finished", {"reps": 0})),
            ("load", {"score": "455 lb"}, ("455 lb", "finished", {"load_g": 206_385})),
            ("load", {"load_g": 102_500}, ("102.5 kg", "finished", {"load_g": 102_500})),
            ("none", {}, ("done", "finished", dnf)),
        ):
            assert await read(workout, **fields) == answer

    async def test_wrong_scores_are_explained(self, log: Any) -> None:
        for workout, fields, pointer, code in (
            ("time", {}, "/score", "missing"),
            ("time", {"score": "0:75"}, "/score", "no_such_time"),
            ("time", {"score": "102.5 kg"}, "/score", "wrong_unit"),
            ("time", {"score": "91 reps"}, "/score", "not_capped"),
            ("time", {"score": "CAP+91"}, "/score", "out_of_range"),
            ("time", {"score": "6:21", "time_ms": 381_000}, "/time_ms", "exclusive"),
            ("time", {"time_ms": 381_000, "reps": 3}, "/time_ms", "not_needed"),
            ("time", {"score": "DNF", "tie_break": "4:10"}, "/tie_break", "no_tie_break"),
            ("time", {"score": "6:21", "tie_break": "12 reps"}, "/tie_break", "wrong_unit"),
            ("no total", {"score": "CAP+12"}, "/score", "no_total"),
            ("hold", {"outcome": "capped", "reps": 3}, "/outcome", "not_capped"),
            ("rounds", {"score": "5:12"}, "/score", "wrong_unit"),
            (
                "rounds",
                {"score": "5+12", "tie_break_value": 1_000_001},
                "/tie_break_value",
                "out_of_range",
            ),
            ("rounds", {"rounds": 5}, "/rounds", "missing"),
            ("load", {"score": "102.5"}, "/score", "not_a_score"),
            ("load", {"load_g": 1000, "tie_break_value": 1}, "/tie_break_value", "no_tie_break"),
            ("reps", {"reps": 3, "performed_at": LATER}, "/performed_at", "future"),
            ("reps", {"reps": 3, "video_url": "ftp://a.example/"}, "/video_url", "url"),
        ):
            response = await log(workout, **fields)
            assert response.status_code == 422, (fields, response.text)
            status, _, errors = problem(response)
            assert (fields, status, errors) == (fields, 422, [(pointer, code)])

    async def test_a_retry_with_an_idempotency_key_logs_one_result(
        self, client: AsyncClient, log: Any
    ) -> None:
        first, again = [await log("reps", key="one", score="171") for _ in range(2)]
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["Idempotency-Replayed"] == "true"
        assert len((await client.get(f"{API}/results")).json()["items"]) == 1
        other = await log("reps", key="one", score="172")
        assert other.status_code == 422


class TestCorrections:
    async def test_a_correction_is_public_with_its_reason(
        self, client: AsyncClient, throwdown: Throwdown, connection: Connection
    ) -> None:
        event, entry = await throwdown.event(), await throwdown.enter("Ana")
        result = await throwdown.put(event, entry, "6:21", notes="Hot.")
        url = f"{API}/results/{result['id']}"

        async def review(**fields: Any) -> Json:
            response = await client.post(f"{url}/review", json=fields)
            assert response.status_code == 200, response.text
            reviewed: Json = response.json()
            return reviewed

        adjusted = await review(review="adjusted", score="6:31", reason="A no-rep.")
        assert adjusted == {
            **result,
            "version": 2,
            "updated_at": adjusted["updated_at"],
            "score": "6:31",
            "time_ms": 391_000,
            "review": "adjusted",
        }
        assert await review(review="adjusted", score="6:31", reason="A no-rep.") == adjusted
        await client.patch(url, json={"notes": None})
        await review(review="invalid")

        changes = (await client.get(f"{url}/changes")).json()["items"]
        as_typed = {"score": "6:21", "tie_break": None, "scaling": "rx", "outcome": "finished"}
        values = [
            {**as_typed, "review": "none"},
            {**as_typed, "score": "6:31", "review": "adjusted"},
            {**as_typed, "score": "6:31", "review": "invalid"},
        ]
        at = [change["changed_at"] for change in changes]
        assert changes == [
            {
                "version": 2,
                "changed_at": at[0],
                "reason": "A no-rep.",
                "before": values[0],
                "after": values[1],
            },
            {
                "version": 4,
                "changed_at": at[1],
                "reason": None,
                "before": values[1],
                "after": values[2],
            },
        ]
        assert [kind for kind, _ in await journal(connection, "result")] == [
            "result.created",
            *["result.updated"] * 3,
        ]

    async def test_a_decision_has_what_it_needs(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        result = await throwdown.put(await throwdown.event(), await throwdown.enter("Ana"), "6:21")
        for fields, pointer, code in (
            ({"review": "adjusted", "reason": "A no-rep."}, "/review", "adjusted"),
            ({"review": "adjusted", "score": "6:31"}, "/reason", "missing"),
            ({"review": "valid", "score": "6:31"}, "/review", "adjusted"),
            ({"review": "invalid", "scaling": "scaled"}, "/review", "adjusted"),
            ({"review": "adjusted", "score": "5+1", "reason": "So."}, "/score", "wrong_unit"),
        ):
            response = await client.post(f"{API}/results/{result['id']}/review", json=fields)
            assert problem(response)[::2] == (422, [(pointer, code)])

    async def test_a_put_that_changes_nothing_changes_no_version(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        event, entry = await throwdown.event(), await throwdown.enter("Ana")
        before = await throwdown.put(event, entry, "6:21", judge="Ben")
        revision = (await throwdown.board())["revision"]
        assert await throwdown.put(event, entry, "6:21", judge="Ben") == before
        assert (await throwdown.board())["revision"] == revision
        after = await throwdown.put(event, entry, "6:20")
        assert (after["id"], after["version"], after["judge"]) == (before["id"], 2, None)
        assert after["performed_at"] == before["performed_at"]
        assert (await throwdown.board())["revision"] > revision

    async def test_updates_and_deletions_are_conditional(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        event, entry = await throwdown.event(), await throwdown.enter("Ana")
        result = await throwdown.put(event, entry, "6:21")
        url = f"{API}/results/{result['id']}"
        of_entry = f"{API}/competition-events/{event['id']}/results/{entry['id']}"
        tag = {"If-Match": (await client.get(of_entry)).headers["ETag"]}

        changed = await client.patch(url, json={"scaling": "scaled"}, headers=tag)
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        stale: tuple[int, str, list[tuple[str, str]]] = (412, "/problems/precondition-failed", [])
        assert problem(await client.patch(url, json={"scaling": "rx"}, headers=tag)) == stale
        assert problem(await client.delete(url, headers=tag)) == stale
        assert problem(await client.delete(of_entry, headers=tag)) == stale
        assert (await client.patch(url, json={})).json() == changed.json()
        assert (await client.delete(of_entry)).status_code == 204
        for path in (url, of_entry, f"{url}/changes"):
            assert (await client.get(path)).status_code == 404
        assert (await client.delete(of_entry)).status_code == 404


class TestAthletes:
    async def test_they_submit_to_an_open_event_in_its_window_until_it_is_reviewed(
        self, client: AsyncClient, app: FastAPI, connection: Connection
    ) -> None:
        await add_gym(connection)
        event, me, other = IDS["event"]["unused"], IDS["entry"]["self"], IDS["entry"]["own"]
        url = f"{API}/competition-events/{event}"
        async with client_of(app, caller=ROLES["member"]) as member:

            async def submit(entry: object, score: str = "6:00") -> Response:
                return await member.put(f"{url}/results/{entry}", json={"score": score})

            async def window(**times: str | None) -> None:
                assert (await client.patch(url, json=times)).status_code == 200

            assert problem(await submit(other)) == FORBIDDEN
            await window(opens_at=LATER)
            assert problem(await submit(me)) == WRONG_STATE
            await window(opens_at=None, closes_at=LONG_AGO)
            assert problem(await submit(me)) == WRONG_STATE
            await window(closes_at=LATER)
            submitted = await submit(me)
            assert (submitted.status_code, submitted.json()["review"]) == (200, "none")
            result = f"{API}/results/{submitted.json()['id']}"
            assert (await member.patch(result, json={"score": "5:59"})).status_code == 200
            judged = await member.post(f"{result}/review", json={"review": "valid"})
            assert problem(judged) == FORBIDDEN
            assert (await submit(IDS["entry"]["foreign"])).status_code == 404

            await client.post(f"{result}/review", json={"review": "valid"})
            assert problem(await submit(me, "5:00")) == WRONG_STATE
            assert problem(await member.patch(result, json={"score": "5:00"})) == WRONG_STATE
            assert problem(await member.delete(result)) == WRONG_STATE
            competition = f"{API}/competitions/{IDS['competition']['own']}"
            await client.post(f"{competition}/close")
            assert problem(await submit(me)) == WRONG_STATE
        async with client_of(app, caller=ROLES["coach"]) as coach:
            judged = await coach.put(f"{url}/results/{me}", json={"score": "6:01"})
        assert (judged.status_code, judged.json()["score"]) == (200, "6:01")

    async def test_they_do_not_change_what_a_coach_has_reviewed_at_the_centre(
        self, client: AsyncClient, app: FastAPI, connection: Connection
    ) -> None:
        await add_gym(connection)
        async with client_of(app, caller=ROLES["member"]) as member:
            logged = await member.post(
                f"{API}/results",
                json={
                    "athlete_id": str(IDS["athlete"]["self"]),
                    "workout_id": str(IDS["workout"]["benchmark"]),
                    "centre_id": str(IDS["centre"]["own"]),
                    "score": "3:00",
                },
            )
            assert logged.status_code == 201
            url = logged.headers["Location"]
            assert (await member.patch(url, json={"score": "2:59"})).status_code == 200
            async with client_of(app, caller=ROLES["coach"]) as coach:
                adjusted = await coach.post(
                    f"{url}/review",
                    json={"review": "adjusted", "score": "3:10", "reason": "Two no-reps."},
                )
                assert adjusted.status_code == 200
                assert problem(await member.patch(url, json={"score": "2:59"})) == WRONG_STATE
                assert problem(await member.delete(url)) == WRONG_STATE
                assert (await coach.patch(url, json={"score": "3:11"})).status_code == 200
