import asyncpg
import httpx
import pytest

from app.conftest import API, Create, Json, problem
from app.leaderboards.files import reading
from app.leaderboards.files.tests.conftest import (
    DAYS,
    Import,
    counts,
    exported,
    post_file,
    reasons,
    rows_of,
)

FILE = (
    "Reference,name,sex,category,centres,event,score,tie_break,scaling,Heat\n"
    'M-1,Mara,F,Rx,North,1,6:21,4:10,rx,"3"\n'
    "M-1,,,,,2,155 lb,,,4\n"
    "M-2,Ana,F,Rx,North;South,1,CAP+12,4:00,,3\n"
    "M-3,Eva,F,Rx,,,,,,\n"
)
EVENTS = """
    SELECT type, array_agg(DISTINCT actor), count(*)::int FROM events
    WHERE type ~ '^(entry|result|athlete)' GROUP BY type
"""
BOARD = "SELECT entries, revision FROM boards WHERE competition_id = $1"


async def test_athletes_entries_and_results_are_created(
    client: httpx.AsyncClient,
    competition: Json,
    import_results: Import,
    connection: asyncpg.Connection,
) -> None:
    report = await import_results(FILE)

    assert counts(report) == {
        "read": 4,
        "created": 4,
        "new_entries": 3,
        "new_athletes": 3,
        "new_categories": 1,
        "new_centres": 2,
        "ignored_columns": ["Heat"],
    }
    (result, *_) = (await client.get(f"{API}/results?sort=performed_at")).json()["items"]
    # The competition is over: they were performed on its last day.
    assert result["performed_on"] == "2026-06-07"
    assert result["performed_at"] == "2026-06-06T23:00:00.000000Z"
    assert result["score"] == "6:21"
    assert result["time_ms"] == 381_000
    assert result["tie_break_value"] == 250_000
    numbers = {kind: number for kind, _, number in await connection.fetch(EVENTS)}
    assert numbers == {"athlete.created": 3, "entry.created": 3, "result.created": 3}
    (board,) = await connection.fetch(BOARD, competition["id"])
    assert tuple(board) == (3, 2)


async def test_the_export_has_places_and_points_and_importing_it_changes_nothing(
    client: httpx.AsyncClient,
    competition: Json,
    import_results: Import,
    connection: asyncpg.Connection,
) -> None:
    await import_results(FILE)
    await import_results("reference,status,withdrawn_before\nM-2,withdrawn,2\n")
    text = await exported(client, competition["id"])
    revision = await connection.fetchval(BOARD, competition["id"], column=1)

    assert rows_of(text, "reference", "event", "score", "place", "event_points", "rank") == [
        dict(
            zip(("reference", "event", "score", "place", "event_points", "rank"), row, strict=True)
        )
        for row in (
            ("M-1", "1", "6:21", "1", "100", "1"),
            ("M-1", "2", "155 lb", "1", "100", "1"),
            ("M-2", "1", "CAP+12", "2", "95", "3"),
            ("M-2", "2", "", "2", "0", "3"),
            ("M-3", "1", "", "3", "0", "2"),
            ("M-3", "2", "", "2", "0", "2"),
        )
    ]
    assert text.partition("\r\n")[0] == (
        "id,reference,name,sex,category,centres,status,withdrawn_before,event,score,tie_break,"
        "scaling,place,event_points,rank,points"
    )
    again = await import_results(text)
    assert counts(again) == {
        "read": 6,
        "unchanged": 6,
        "ignored_columns": ["place", "event_points", "rank", "points"],
    }
    assert await exported(client, competition["id"]) == text
    assert await connection.fetchval(BOARD, competition["id"], column=1) == revision


async def test_an_export_of_another_database_creates_the_athletes_with_their_ids(
    client: httpx.AsyncClient, competition: Json, import_results: Import, create: Create
) -> None:
    rx = await create("categories", {"name": "Rx"})
    athlete = await create("athletes", {"name": "=Mara", "category_id": rx["id"]})
    await create(f"competitions/{competition['id']}/entries", {"athlete_id": athlete["id"]})
    text = await exported(client, competition["id"])
    assert rows_of(text, "id", "name", "event") == [
        {"id": athlete["id"], "name": "=Mara", "event": ""}
    ]
    (entry,) = (await client.get(f"{API}/competitions/{competition['id']}/entries")).json()["items"]
    await client.delete(f"{API}/entries/{entry['id']}")
    await client.delete(f"{API}/athletes/{athlete['id']}")

    assert (await import_results(text))["new_athletes"] == 1
    again = (await client.get(f"{API}/athletes/{athlete['id']}")).json()
    assert again["name"] == "=Mara"


async def test_a_result_is_corrected_and_its_former_values_are_kept(
    client: httpx.AsyncClient, import_results: Import
) -> None:
    await import_results(FILE)

    report = await import_results(
        "reference,event,score,tie_break\nM-1,1,6:20,4:10\nM-2,1,CAP+12,4:00\n"
    )

    assert counts(report) == {"read": 2, "updated": 1, "unchanged": 1}
    results = (await client.get(f"{API}/results")).json()["items"]
    (corrected,) = (result for result in results if result["score"] == "6:20")
    (change,) = (await client.get(f"{API}/results/{corrected['id']}/changes")).json()["items"]
    assert change.pop("changed_at")
    values = {"tie_break": "4:10", "scaling": "rx", "outcome": "finished", "review": "none"}
    assert change == {
        "version": 2,
        "reason": None,
        "before": {"score": "6:21", **values},
        "after": {"score": "6:20", **values},
    }
    (event,) = (await client.get(f"{API}/events?type=result.updated")).json()["items"]
    assert event["resource_id"] == corrected["id"]
    assert event["changed"] == ["time_ms", "entered"]


async def test_statuses_of_entries_change_with_events(
    client: httpx.AsyncClient, competition: Json, import_results: Import
) -> None:
    await import_results(FILE)

    report = await import_results(
        "reference,status,withdrawn_before\nM-2,withdrawn,2\nM-3,disqualified,\n"
    )
    assert counts(report) == {"read": 2, "updated": 2}
    report = await import_results("reference,status\nM-2,entered\nM-3,\n")

    assert counts(report) == {"read": 2, "updated": 1, "unchanged": 1}
    events = (await client.get(f"{API}/events?limit=3")).json()["items"]
    assert {event["type"] for event in events} == {
        "entry.withdrawn",
        "entry.disqualified",
        "entry.reinstated",
    }
    text = await exported(client, competition["id"])
    assert {row["reference"]: row["rank"] for row in rows_of(text, "reference", "rank")} == {
        "M-1": "1",
        "M-2": "2",
        "M-3": "",
    }


async def test_rows_that_cannot_be_stored_are_rejected_with_a_reason(
    client: httpx.AsyncClient, import_results: Import
) -> None:
    await import_results(FILE)
    await client.post(f"{API}/categories", json={"name": "Scaled"})
    header = "id,reference,name,category,status,withdrawn_before,event,score,tie_break,scaling\n"

    report = await import_results(
        header
        + ",M-9,,,,,1,6:00,,\n"
        + ",M-1,,,,,3,6:00,,\n"
        + ",M-1,,,,,1,155 lb,,\n"
        + ",M-1,,,,,x,6:00,,\n"
        + ",M-1,,,,,51,6:00,,\n"
        + ",M-1,,,,,,6:00,,\n"
        + ",M-1,,,,,1,,4:00,\n"
        + ",M-3,,,,,1,DNF,4:00,\n"
        + ",M-1,,,,,1,6:00,4:00,easy\n"
        + ",M-1,,Scaled,,,,,,\n"
        + ",M-1,,,gone,,,,,\n"
        + ",M-1,,,withdrawn,,,,,\n"
        + ",M-1,,,withdrawn,0,,,,\n"
        + ",M-1,,,withdrawn,1,,,,\n"
        + ",M-1,,,withdrawn,2,2,100 kg,,\n"
        + ",,Ida,Rx,,,1,6:00,,\n"
        + "7,,Ida,Rx,,,1,6:00,,\n"
        + ",M-2,,,,,2,100 kg,,\n"
        + ",M-2,,,,,2,101 kg,,\n"
        + ",M-8,Ida,Rx,,,9,100 kg,,\n"
        + ",M-8,,,,,2,100 kg,,\n"
    )

    assert reasons(report) == {
        2: "there is no such athlete, and a new one needs a name and a category",
        3: "there is no event 3 in this competition",
        4: "score: This workout is scored by a time: write minutes and seconds like 6:21, or a unit"
        " like 45 s.",
        5: "event should be the number of an event",
        6: "event should be from 1 to 50",
        7: "event is empty, and the row has a score",
        8: "score is empty, and the row has a tie_break",
        9: "score: A result that is DNF or DNS has no tie-break.",
        10: "scaling should be one of rx_plus, rx, scaled, foundations",
        11: "this athlete has entered in another category",
        12: "status should be one of entered, withdrawn, disqualified",
        13: "withdrawn_before belongs to the status withdrawn",
        14: "withdrawn_before should be from 1 to 50",
        15: "this athlete has a result in event 1 or in a later one",
        16: "this athlete has withdrawn before event 2",
        17: "reference is empty",
        18: "id is not one of ours; put member numbers in reference",
        20: "this athlete's event 2 is also on line 19",
        21: "there is no event 9 in this competition",
    }
    assert counts(report) == {
        "read": 21,
        "created": 2,
        "rejected": 19,
        "new_entries": 1,
        "new_athletes": 1,
    }


async def test_a_dry_run_reports_everything_and_stores_nothing(
    client: httpx.AsyncClient, competition: Json, import_results: Import
) -> None:
    dry = await import_results(FILE, dry_run="true")

    athletes = (await client.get(f"{API}/athletes")).json()["items"]
    assert (athletes, rows_of(await exported(client, competition["id"]))) == ([], [])
    assert await import_results(FILE) == dry


async def test_results_wait_until_the_competition_opens_and_end_when_it_is_final(
    client: httpx.AsyncClient, create: Create
) -> None:
    draft = await create("competitions", {"name": "Draft", **DAYS})
    workout = await create("workouts", {"name": "Fran", "score_type": "time"})
    path = f"competitions/{draft['id']}"
    await create(f"{path}/events", {"workout_id": workout["id"]})
    file = "reference,name,category,event,score\nM-1,Mara,Rx,1,6:21\n"

    early = await post_file(client, draft["id"], file, {})
    await client.post(f"{API}/{path}/open")
    unpublished = await post_file(client, draft["id"], file, {})
    await client.post(f"{API}/{path}/finalise")
    late = await post_file(client, draft["id"], file, {})

    assert reasons(early.json()) == {2: "this competition is a draft: open it first"}
    assert reasons(unpublished.json()) == {2: "event 1 is not published yet"}
    assert problem(late) == (409, "/problems/wrong-state", [])
    assert "final" in late.json()["detail"]


async def test_a_competition_that_does_not_exist_is_404(client: httpx.AsyncClient) -> None:
    nowhere = "019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10"

    imported = await post_file(client, nowhere, "reference\n", {})
    read = await client.get(f"{API}/competitions/{nowhere}/export")

    assert [problem(one)[0] for one in (imported, read)] == [404, 404]


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("name,event,score", "Athletes are found by their reference or id."),
        ("reference,event,Event", "The first row repeats a column: event."),
    ],
    ids=["without a key", "doubled"],
)
async def test_a_file_without_usable_columns_is_refused(
    client: httpx.AsyncClient, competition: Json, header: str, detail: str
) -> None:
    response = await post_file(client, competition["id"], f"{header}\n1,2,3\n", {})

    assert problem(response) == (422, "/problems/invalid", [])
    assert response.json()["detail"].endswith(detail)


async def test_a_file_with_too_many_rows_is_stored_up_to_the_limit(
    import_results: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 3)

    report = await import_results(FILE)

    assert reasons(report) == {5: "the file has more than 3 rows: split it"}
    assert report["created"] == 3
