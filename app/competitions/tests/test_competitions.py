"""Competitions, their events and entries: states, freezing, and who may change them."""

from typing import Any

from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient, Response

from app.api.tests.gym import IDS, ROLES, add_gym
from app.competitions.tests.conftest import LATER, LONG_AGO, Throwdown, journal, throwdown
from app.conftest import API, Create, Json, client_of, problem
from app.core.resources.fields import new_id

__all__ = ["throwdown"]

WRONG_STATE: tuple[int, str, list[tuple[str, str]]] = (409, "/problems/wrong-state", [])
FORBIDDEN: tuple[int, str, list[tuple[str, str]]] = (403, "/problems/forbidden", [])


class TestStates:
    async def test_a_competition_goes_from_draft_to_final_and_back_with_a_reason(
        self, client: AsyncClient, create: Create, connection: Connection
    ) -> None:
        throwdown = await Throwdown.planned(client, create)
        draft = throwdown.competition
        assert draft == {
            "id": draft["id"],
            "version": 1,
            "created_at": draft["created_at"],
            "updated_at": draft["created_at"],
            "name": "Throwdown",
            "time_zone": "UTC",
            "starts_on": "2026-12-05",
            "ends_on": "2026-12-06",
            "points": "place",
            "overall_tie": "best_places",
            "published_at": None,
            "centre": None,
            "status": "draft",
            "reopened_because": None,
        }

        async def moved(action: str, **fields: Any) -> tuple[str, int]:
            response = await throwdown.act(action, **fields)
            assert response.status_code == 200, response.text
            return response.json()["status"], response.json()["version"]

        for action in ("close", "finalise"):
            assert problem(await throwdown.act(action)) == WRONG_STATE
        assert problem(await throwdown.act("reopen", reason="Early.")) == WRONG_STATE
        assert await moved("open") == ("open", 2)
        assert await moved("open") == ("open", 2)
        assert await moved("close") == ("closed", 3)
        assert problem(await throwdown.act("open")) == WRONG_STATE
        assert await moved("finalise") == ("final", 4)
        assert problem(await throwdown.act("close")) == WRONG_STATE
        missing = await client.post(f"{throwdown.url}/reopen", json={})
        assert problem(missing)[2] == [("/reason", "missing")]
        assert await moved("reopen", reason="A score.") == ("open", 5)
        assert await moved("reopen", reason="A score.") == ("open", 5)
        read = (await client.get(throwdown.url)).json()
        assert read["reopened_because"] == "A score."
        assert read["published_at"] is not None
        assert await journal(connection, "competition") == [
            ("competition.created", []),
            ("competition.opened", ["status", "published_at"]),
            ("competition.closed", ["status"]),
            ("competition.finalised", ["status"]),
            ("competition.reopened", ["status", "reopened_because"]),
        ]

    async def test_a_final_competition_refuses_every_change(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        event, entry = await throwdown.event(), await throwdown.enter("Ana")
        result = await throwdown.put(event, entry, "6:21")
        await throwdown.act("finalise")
        workout = event["workout"]["id"]
        of_event = f"{API}/competition-events/{event['id']}"

        async def statuses() -> list[Response]:
            return [
                await client.patch(throwdown.url, json={"name": "Games"}),
                await client.post(f"{throwdown.url}/events", json={"workout_id": workout}),
                await client.patch(of_event, json={"closes_at": LATER}),
                await client.delete(of_event),
                await client.post(
                    f"{throwdown.url}/entries", json={"athlete_id": entry["athlete"]["id"]}
                ),
                await client.post(f"{API}/entries/{entry['id']}/disqualify"),
                await client.delete(f"{API}/entries/{entry['id']}"),
                await client.put(f"{of_event}/results/{entry['id']}", json={"score": "6:20"}),
                await client.patch(f"{API}/results/{result['id']}", json={"score": "6:20"}),
                await client.post(f"{API}/results/{result['id']}/review", json={"review": "valid"}),
                await client.delete(f"{API}/results/{result['id']}"),
            ]

        assert [problem(response) for response in await statuses()] == [WRONG_STATE] * 11

    async def test_settings_are_frozen_once_they_matter(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        async def refused(url: str, **fields: Any) -> tuple[str, list[tuple[str, str]]]:
            response = await client.patch(url, json=fields)
            status, kind, errors = problem(response)
            assert status == 409, response.text
            return kind, errors

        def frozen(field: str) -> tuple[str, list[tuple[str, str]]]:
            return "/problems/frozen", [(f"/{field}", "frozen")]

        event, entry = await throwdown.event(), await throwdown.enter("Ana")
        of_event = f"{API}/competition-events/{event['id']}"
        assert await refused(throwdown.url, points="table") == frozen("points")
        assert await refused(throwdown.url, published_at=None) == frozen("published_at")
        moved = await client.patch(of_event, json={"ordinal": 2})
        assert (moved.status_code, moved.json()["ordinal"]) == (200, 2)
        await throwdown.put(event, entry, "6:21")
        assert await refused(of_event, ordinal=3) == ("/problems/frozen", [])
        assert await refused(of_event, published_at=None) == ("/problems/frozen", [])
        in_use: list[tuple[str, str]] = []
        for url in (of_event, f"{API}/entries/{entry['id']}", throwdown.url):
            deleted = await client.delete(url)
            assert problem(deleted) == (409, "/problems/still-in-use", in_use)


class TestEvents:
    async def test_events_are_numbered_and_read_whole(
        self, client: AsyncClient, create: Create, connection: Connection
    ) -> None:
        throwdown = await Throwdown.planned(client, create, points="table")
        table: Json = {"points_table": [100, 95]}
        second = await throwdown.event(ordinal=2, opens_at=LONG_AGO, closes_at=LATER, **table)
        third = await throwdown.event(**table)
        assert second == {
            "id": second["id"],
            "version": 1,
            "created_at": second["created_at"],
            "updated_at": second["created_at"],
            "opens_at": "2026-01-01T00:00:00.000000Z",
            "closes_at": "2126-01-01T00:00:00.000000Z",
            "published_at": "2026-01-01T00:00:00.000000Z",
            "points_table": [100, 95],
            "competition": {"id": throwdown.competition["id"], "name": "Throwdown"},
            "workout": {
                "id": second["workout"]["id"],
                "name": "Short one",
                "score_type": "time",
                "best": "lowest",
                "time_cap_ms": 600_000,
                "total_reps": 90,
                "tie_break": "none",
            },
            "ordinal": 2,
        }
        assert third["ordinal"] == 3
        listed = (await client.get(f"{throwdown.url}/events?sort=-ordinal")).json()
        assert listed == {"items": [third, second], "next": None, "total": None}

        url, workout = f"{throwdown.url}/events", {"workout_id": second["workout"]["id"]}
        again = await client.post(url, json={**workout, **table, "ordinal": 2})
        assert problem(again) == (409, "/problems/already-taken", [("/ordinal", "taken")])
        without = await client.post(url, json=workout)
        assert problem(without)[2] == [("/points_table", "points")]
        of_third = f"{API}/competition-events/{third['id']}"
        assert problem(await client.patch(of_third, json={"points_table": None}))[2] == [
            ("/points_table", "points")
        ]
        span = {"opens_at": LATER, "closes_at": LONG_AGO}
        assert problem(await client.patch(of_third, json=span))[2] == [("/closes_at", "span")]
        assert (await client.delete(of_third)).status_code == 204
        assert [kind for kind, _ in await journal(connection, "competition_event")] == [
            "competition_event.created",
            "competition_event.created",
            "competition_event.deleted",
        ]

    async def test_an_invisible_event_tells_nothing_of_itself(
        self, client: AsyncClient, app: FastAPI, connection: Connection
    ) -> None:
        await add_gym(connection)
        url = f"{API}/competition-events/{IDS['event']['draft']}"
        unknown = f"{API}/competition-events/{new_id()}"
        async with client_of(app, caller=ROLES["coach"]) as coach:
            for path in (url, unknown):
                changed = await coach.patch(path, json={"points_table": [1]})
                assert problem(changed) == (404, "/problems/not-found", [])
                assert (await coach.delete(path)).status_code == 404
            entry = IDS["entry"]["foreign"]
            details = set()
            for path in (url, unknown):
                put = await coach.put(f"{path}/results/{entry}", json={"score": "6:21"})
                assert put.status_code == 404
                details.add(put.json()["detail"])
            seen = f"{API}/competition-events/{IDS['event']['foreign']}"
            # An unpublished event of a published competition.
            await connection.execute(
                "UPDATE competition_events SET published_at = NULL WHERE id = $1",
                IDS["event"]["unused"],
            )
            changed = await coach.patch(seen, json={"points_table": [1]})
        assert len(details) == 1
        assert problem(changed) == FORBIDDEN
        async with client_of(app, caller=ROLES["member"]) as member:
            hidden = await member.delete(f"{API}/competition-events/{IDS['event']['unused']}")
        assert hidden.status_code == 404


class TestEntries:
    async def test_an_entry_keeps_its_category(
        self, client: AsyncClient, throwdown: Throwdown, create: Create, connection: Connection
    ) -> None:
        entry = await throwdown.enter("Ana")
        athlete = entry["athlete"]
        assert entry == {
            "id": entry["id"],
            "version": 1,
            "created_at": entry["created_at"],
            "updated_at": entry["created_at"],
            "competition": {"id": throwdown.competition["id"], "name": "Throwdown"},
            "athlete": {"id": athlete["id"], "name": "Ana"},
            "category": {"id": throwdown.category_id, "name": "Rx"},
            "status": "entered",
            "withdrawn_before": None,
        }
        other = await create("categories", {"name": "Scaled"})
        await client.patch(f"{API}/athletes/{athlete['id']}", json={"category_id": other["id"]})
        assert (await client.get(f"{API}/entries/{entry['id']}")).json() == entry
        again = await client.post(
            f"{throwdown.url}/entries",
            json={"athlete_id": athlete["id"], "category_id": other["id"]},
        )
        assert problem(again) == (409, "/problems/already-taken", [("/athlete_id", "taken")])
        assert (await client.delete(f"{API}/entries/{entry['id']}")).status_code == 204
        assert [kind for kind, _ in await journal(connection, "entry")] == [
            "entry.created",
            "entry.deleted",
        ]
        await client.delete(f"{API}/athletes/{athlete['id']}")
        category = await client.delete(f"{API}/categories/{throwdown.category_id}")
        assert category.status_code == 204  # nobody is ranked in it any more

    async def test_withdrawal_disqualification_and_reinstatement(
        self, client: AsyncClient, throwdown: Throwdown, connection: Connection
    ) -> None:
        first, entry = await throwdown.event(), await throwdown.enter("Ana")
        second = await throwdown.event()
        await throwdown.put(first, entry, "6:21")
        url = f"{API}/entries/{entry['id']}"

        async def acted(action: str, **fields: Any) -> tuple[str, int | None, int]:
            response = await client.post(f"{url}/{action}", json=fields or None)
            assert response.status_code == 200, response.text
            body = response.json()
            return body["status"], body["withdrawn_before"], body["version"]

        started = await client.post(f"{url}/withdraw", json={"before_event": 1})
        assert problem(started)[:2] == WRONG_STATE[:2]
        assert await acted("withdraw", before_event=2) == ("withdrawn", 2, 2)
        assert await acted("withdraw", before_event=2) == ("withdrawn", 2, 2)
        late = await client.put(
            f"{API}/competition-events/{second['id']}/results/{entry['id']}", json={"score": "6:21"}
        )
        assert problem(late) == WRONG_STATE
        assert await acted("disqualify") == ("disqualified", None, 3)
        refused = await client.post(f"{url}/withdraw", json={"before_event": 2})
        assert problem(refused) == WRONG_STATE
        assert await acted("reinstate") == ("entered", None, 4)
        assert await journal(connection, "entry") == [
            ("entry.created", []),
            ("entry.withdrawn", ["status", "withdrawn_before"]),
            ("entry.disqualified", ["status", "withdrawn_before"]),
            ("entry.reinstated", ["status", "withdrawn_before"]),
        ]

    async def test_athletes_enter_open_competitions_themselves(
        self, client: AsyncClient, app: FastAPI, connection: Connection
    ) -> None:
        await add_gym(connection)
        own, foreign = IDS["competition"]["own"], IDS["competition"]["foreign"]
        me, other = (str(IDS["athlete"][name]) for name in ("self", "own"))
        async with client_of(app, caller=ROLES["member"]) as member:

            async def enter(competition: object, athlete: str) -> Response:
                url = f"{API}/competitions/{competition}/entries"
                return await member.post(url, json={"athlete_id": athlete})

            entered = await enter(foreign, me)
            assert entered.status_code == 201
            assert problem(await enter(own, other)) == FORBIDDEN
            assert (await enter(IDS["competition"]["draft"], me)).status_code == 404
            url = f"{API}/entries/{entered.json()['id']}"
            assert problem(await member.post(f"{url}/disqualify")) == FORBIDDEN
            withdrawn = await member.post(f"{url}/withdraw", json={"before_event": 1})
            assert withdrawn.json()["status"] == "withdrawn"
            undone = await member.post(f"{url}/withdraw", json={"before_event": 50})
            assert problem(undone) == WRONG_STATE
            assert problem(await member.post(f"{url}/reinstate")) == FORBIDDEN
            await client.delete(url)
            await client.post(f"{API}/competitions/{foreign}/close")
            assert problem(await enter(foreign, me)) == WRONG_STATE


async def test_a_coach_hands_a_competition_only_to_where_they_coach(
    client: AsyncClient, app: FastAPI, connection: Connection
) -> None:
    await add_gym(connection)
    url = f"{API}/competitions/{IDS['competition']['own']}"
    async with client_of(app, caller=ROLES["coach"]) as coach:
        for centre in (str(IDS["centre"]["foreign"]), None):
            changed = await coach.patch(url, json={"centre_id": centre})
            assert problem(changed) == FORBIDDEN
        kept = await coach.patch(url, json={"centre_id": str(IDS["centre"]["own"])})
    assert (kept.status_code, kept.json()["version"]) == (200, 1)
    unknown = await client.patch(url, json={"centre_id": str(new_id())})
    assert problem(unknown) == (409, "/problems/reference-missing", [("/centre_id", "missing")])


async def test_a_draft_is_seen_by_the_staff_of_its_host_alone(
    client: AsyncClient, app: FastAPI, connection: Connection
) -> None:
    await add_gym(connection)
    draft = f"{API}/competitions/{IDS['competition']['empty']}"
    category = IDS["category"]["used"]
    seen = {}
    for role in ("coach", "desk", "member", "device", "nobody"):
        async with client_of(app, caller=ROLES[role]) as caller:
            paths = "", "/events", "/entries", f"/leaderboard?category_id={category}"
            codes = {(await caller.get(f"{draft}{path}")).status_code for path in paths}
            listed = (await caller.get(f"{API}/competitions?status=draft")).json()["items"]
        seen[role] = codes, len(listed)
    assert seen == {
        "coach": ({200}, 1),
        "desk": ({200}, 1),
        **dict.fromkeys(("member", "device", "nobody"), ({404}, 0)),
    }
