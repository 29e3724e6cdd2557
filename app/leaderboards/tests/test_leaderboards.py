"""Leaderboards: places, points and ranks, pages, filters, revisions, and who reads them."""

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, add_gym
from app.application import create_app
from app.competitions.tests.conftest import FOR_TIME, Throwdown, throwdown
from app.conftest import API, Create, Json, client_of, not_found, problem
from app.core.http.tests.document import Document
from app.core.resources.fields import new_id
from app.core.settings import Settings

__all__ = ["throwdown"]

LIFT: Json = {"name": "Deadlift", "score_type": "load"}


async def scored(throwdown: Throwdown, event: Json, *scores: tuple[str, str]) -> dict[str, Json]:
    """Enter athletes, and write their results in an event."""
    entries = {}
    for name, score in scores:
        entries[name] = await throwdown.enter(name)
        await throwdown.put(event, entries[name], score)
    return entries


class TestRanks:
    async def test_a_row_tells_how_it_came_about(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        fran, lift = await throwdown.event(), await throwdown.event(LIFT)
        await throwdown.event()  # without results: it does not count
        ana, bea = await throwdown.enter("Ana"), await throwdown.enter("Bea")
        first = await throwdown.put(fran, ana, "6:21")
        second = await throwdown.put(fran, bea, "CAP+12", scaling="rx_plus")
        third = await throwdown.put(lift, bea, "225 lb")

        def event(number: Json, place: int, result: Json | None) -> Json:
            read = ("scaling", "outcome", "score", "tie_break", "review")
            given = result or dict.fromkeys((*read, "id"))
            return {
                "ordinal": number["ordinal"],
                "event_id": number["id"],
                "place": place,
                "points": place,
                "result_id": given["id"],
                **{name: given[name] for name in read},
            }

        def row(entry: Json, rank: int, points: int, *events: Json) -> Json:
            return {
                "rank": rank,
                "points": points,
                "entry_id": entry["id"],
                "athlete": entry["athlete"],
                "status": "entered",
                "withdrawn_before": None,
                "events": list(events),
            }

        rows = [
            row(ana, 1, 3, event(fran, 1, first), event(lift, 2, None)),
            row(bea, 1, 3, event(fran, 2, second), event(lift, 1, third)),
        ]
        board = await throwdown.board()
        state = {
            "competition": {"id": throwdown.competition["id"], "name": "Throwdown"},
            "category": {"id": throwdown.category_id, "name": "Rx"},
            "revision": board["revision"],
            "as_of": board["as_of"],
            "provisional": True,
        }
        assert board == {**state, "items": rows, "next": None}
        standing = await client.get(f"{API}/entries/{bea['id']}/standing")
        assert standing.json() == {**state, "standing": rows[1]}

    async def test_equal_results_share_a_place_and_the_next_place_skips(
        self, throwdown: Throwdown
    ) -> None:
        event = await throwdown.event({**FOR_TIME, "tie_break": "time"})
        scores = ("Ana", "3:00"), ("Dov", "3:30"), ("Bea", "3:10"), ("Cem", "3:10.0")
        await scored(throwdown, event, *scores, ("Eva", "CAP+5"), ("Fin", "CAP+6"), ("Gil", "DNF"))
        scaled, best = await throwdown.enter("Hal"), await throwdown.enter("Ida")
        await throwdown.put(event, scaled, "2:00", scaling="scaled")
        await throwdown.put(event, best, "3:00", tie_break="1:00", scaling="rx_plus")
        assert await throwdown.ranks() == [
            ("Ida", 1, 1),
            ("Ana", 2, 2),
            ("Bea", 3, 3),
            ("Cem", 3, 3),
            ("Dov", 5, 5),
            ("Eva", 6, 6),
            ("Fin", 7, 7),
            ("Hal", 8, 8),
            ("Gil", 9, 9),
        ]

    async def test_pounds_and_kilograms_are_compared(self, throwdown: Throwdown) -> None:
        event = await throwdown.event(LIFT)
        await scored(throwdown, event, ("Ana", "102 kg"), ("Bea", "225 lb"), ("Cem", "102.1 kg"))
        assert await throwdown.ranks() == [("Cem", 1, 1), ("Bea", 2, 2), ("Ana", 3, 3)]

    async def test_points_by_table_end_with_the_table(
        self, client: AsyncClient, create: Create
    ) -> None:
        throwdown = await Throwdown.planned(client, create, points="table")
        await throwdown.act("open")
        event = await throwdown.event(points_table=[100, 95])
        scores = ("Ana", "3:00"), ("Bea", "3:10"), ("Cem", "3:20"), ("Dov", "DNS")
        await scored(throwdown, event, *scores)
        assert await throwdown.ranks() == [
            ("Ana", 1, 100),
            ("Bea", 2, 95),
            ("Cem", 3, 0),
            ("Dov", 4, 0),
        ]
        url = f"{API}/competition-events/{event['id']}"
        await client.patch(url, json={"points_table": [10, 9, 8]})
        assert [points for _, _, points in await throwdown.ranks()] == [10, 9, 8, 0]

    async def test_the_better_places_break_ties_if_the_competition_says_so(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        events = [await throwdown.event(LIFT), await throwdown.event(LIFT)]
        for name, loads in (("Ana", (80, 80)), ("Bea", (70, 90)), ("Cem", (90, 70))):
            entry = await throwdown.enter(name)
            for event, load in zip(events, loads, strict=True):
                await throwdown.put(event, entry, f"{load} kg")
        assert await throwdown.ranks() == [("Ana", 1, 4), ("Bea", 1, 4), ("Cem", 1, 4)]
        await client.patch(throwdown.url, json={"overall_tie": "best_places"})
        assert await throwdown.ranks() == [("Bea", 1, 4), ("Cem", 1, 4), ("Ana", 3, 4)]

    async def test_withdrawn_ones_rank_last_and_disqualified_ones_not_at_all(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        events = [await throwdown.event(LIFT) for _ in range(3)]
        names = "Ana", "Bea", "Cem", "Dov"
        entries = await scored(
            throwdown, events[0], *((name, f"{90 - at} kg") for at, name in enumerate(names))
        )
        entries["Eva"] = await throwdown.enter("Eva")
        entries["Fin"] = await throwdown.enter("Fin")
        await throwdown.put(events[1], entries["Bea"], "90 kg")

        async def act(name: str, action: str, before: int | None = None) -> None:
            url = f"{API}/entries/{entries[name]['id']}/{action}"
            response = await client.post(url, json={"before_event": before} if before else None)
            assert response.status_code == 200, response.text

        await act("Ana", "withdraw", 2)
        await act("Bea", "withdraw", 3)
        await act("Cem", "disqualify")
        await act("Eva", "withdraw", 1)
        assert await throwdown.ranks() == [
            ("Dov", 1, 6),
            ("Fin", 2, 7),
            ("Bea", 3, 3),
            ("Ana", 4, 3),
            ("Cem", None, 5),
            ("Eva", None, 7),
        ]


class TestPages:
    @pytest.mark.parametrize(
        ("query", "names"),
        [({}, ["Ana", "Bea", "Cem", "Dov"]), ({"event": 2}, ["Dov", "Bea", "Ana", "Cem"])],
    )
    async def test_each_row_is_on_one_page(
        self, client: AsyncClient, throwdown: Throwdown, query: Json, names: list[str]
    ) -> None:
        first, second = await throwdown.event(LIFT), await throwdown.event(LIFT)
        scores = ("Ana", "90 kg"), ("Bea", "80 kg"), ("Cem", "80 kg"), ("Dov", "60 kg")
        entries = await scored(throwdown, first, *scores)
        await throwdown.put(second, entries["Dov"], "70 kg")
        await throwdown.put(second, entries["Bea"], "65 kg")

        seen, page = [], await throwdown.board(limit=1, **query)
        for _ in names:
            (row,) = page["items"]
            seen.append(row["athlete"]["name"])
            if query:
                assert [event["ordinal"] for event in row["events"]] == [2]
            if page["next"]:
                page = (await client.get(page["next"])).json()
        assert (seen, page["next"]) == (names, None)
        first_page = await throwdown.board(limit=1)
        elsewhere = f"{API}{first_page['next'].removeprefix(API)}&sex=female"
        assert problem(await client.get(elsewhere))[2] == [("?cursor", "bad_cursor")]

    async def test_filters_keep_the_official_ranks_unless_they_rank_anew(
        self, throwdown: Throwdown, create: Create
    ) -> None:
        centre = await create("centres", {"name": "Box"})
        event = await throwdown.event(LIFT)
        at_box = {"centre_ids": [centre["id"]]}
        athletes: list[tuple[str, int, Json]] = [
            ("Ana", 90, {"sex": "female"}),
            ("Bob", 80, {"sex": "male", **at_box}),
            ("Cem", 80, {"sex": "male"}),
            ("Dana", 70, {"sex": "female", **at_box}),
        ]
        for name, load, fields in athletes:
            await throwdown.put(event, await throwdown.enter(name, **fields), f"{load} kg")
        assert await throwdown.ranks(sex="female") == [("Ana", 1, 1), ("Dana", 4, 4)]
        assert await throwdown.ranks(sex="female", rerank=True) == [("Ana", 1, 1), ("Dana", 2, 2)]
        there = {"centre_id": centre["id"]}
        assert await throwdown.ranks(**there) == [("Bob", 2, 2), ("Dana", 4, 4)]
        assert await throwdown.ranks(**there, sex="female", rerank=True) == [("Dana", 1, 1)]
        assert len(await throwdown.ranks(rerank=True)) == 4


class TestRevisions:
    async def test_the_revision_grows_only_with_the_board(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        url = f"{throwdown.url}/leaderboard"
        query = {"category_id": throwdown.category_id}
        empty = await throwdown.board()
        assert (empty["revision"], empty["as_of"], empty["items"]) == (0, None, [])
        event = await throwdown.event()
        entry = await throwdown.enter("Ana")
        await throwdown.put(event, entry, "6:21")
        before = await client.get(url, params=query)
        known = {"If-None-Match": before.headers["ETag"]}
        assert (await client.get(url, params=query, headers=known)).status_code == 304
        await throwdown.put(event, entry, "6:21")
        await client.patch(throwdown.url, json={"ends_on": "2026-12-07"})
        assert (await throwdown.board()) == before.json()

        await throwdown.act("finalise")
        final = await client.get(url, params=query, headers=known)
        assert final.json() == {**before.json(), "provisional": False}

    async def test_a_missing_competition_category_or_entry_is_not_found(
        self, client: AsyncClient, throwdown: Throwdown
    ) -> None:
        nothing = new_id()
        category = {"category_id": throwdown.category_id}
        for url, query in (
            (f"{API}/competitions/{nothing}/leaderboard", category),
            (f"{throwdown.url}/leaderboard", {"category_id": str(nothing)}),
            (f"{API}/entries/{nothing}/standing", {}),
        ):
            assert not_found(await client.get(url, params=query))
        without = await client.get(f"{throwdown.url}/leaderboard")
        assert problem(without)[2] == [("?category_id", "missing")]


async def test_published_leaderboards_can_be_open_to_everybody(
    app: FastAPI, client: AsyncClient, connection: Connection, document: Document
) -> None:
    await add_gym(connection)
    public = create_app(Settings(_env_file=None, public_read=("leaderboards",)))
    public.state.database = app.state.database
    own, draft = (IDS["competition"][name] for name in ("own", "draft"))
    category = {"category_id": str(IDS["category"]["used"])}

    async with client_of(public, document, caller=None) as stranger:
        board = await stranger.get(f"{API}/competitions/{own}/leaderboard", params=category)
        assert [(row["athlete"]["name"], row["rank"]) for row in board.json()["items"]] == [
            ("Mara", 1),
            ("Mel", 1),
            ("Sana", 3),
        ]
        listed = (await stranger.get(f"{API}/competitions")).json()["items"]
        assert [one["name"] for one in listed] == ["Harbour Throwdown", "Northside Throwdown"]
        assert (await stranger.get(f"{API}/competitions/{own}")).status_code == 200
        for path in ("", "/leaderboard", "/events"):
            hidden = f"{API}/competitions/{draft}{path}"
            query = category if path == "/leaderboard" else {}
            assert (await stranger.get(hidden, params=query)).status_code in {401, 404}
        for path in (
            f"/competitions/{own}/entries",
            f"/entries/{IDS['entry']['own']}",
            f"/entries/{IDS['entry']['own']}/standing",
            "/results",
            f"/results/{IDS['result']['own']}",
            f"/results/{IDS['result']['own']}/changes",
            f"/centres/{IDS['centre']['own']}/whiteboard",
            f"/athletes/{IDS['athlete']['own']}/records",
            "/athletes",
            "/centres",
            "/categories",
            "/trainings",
        ):
            assert (path, (await stranger.get(f"{API}{path}")).status_code) == (path, 401)
        opened = await stranger.post(f"{API}/competitions/{draft}/open")
        assert opened.status_code == 401
