"""The attendance of a centre, as JSON and as CSV."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from httpx import AsyncClient

from app.attendance.exporting import ROWS_AT_ONCE, as_csv
from app.attendance.queries import report_query, rows_query
from app.conftest import API, Create, Json, not_found, problem
from app.core.resources.fields import new_id

BOOK = """
    WITH booked AS (
        INSERT INTO bookings (id, training_id, athlete_id, starts_at, ends_at, status, booked_at,
            checked_in_at, cancelled_at, late)
        SELECT gen_random_uuid(), id, $2, starts_at, ends_at, $3, clock_timestamp(),
            CASE WHEN $3 = 'checked_in' THEN starts_at END,
            CASE WHEN $3 = 'cancelled' THEN starts_at END, $4
        FROM trainings WHERE id = $1
        RETURNING training_id, status
    )
    UPDATE trainings SET taken = taken + (booked.status IN ('reserved', 'checked_in'))::int
    FROM booked WHERE booked.training_id = trainings.id
"""
CANCEL = "UPDATE trainings SET status = 'cancelled' WHERE id = $1"
INDEX_OF_TRAININGS = "ix_trainings_centre_id_starts_at_id"
INDEX_OF_BOOKINGS = "uq_bookings_training_id_booked_at"
NOTHING = {
    **{"trainings": 0, "capacity": 0, "taken": 0},
    **{"present": 0, "late": 0, "no_shows": 0, "waitlisted": 0},
}


@dataclass
class Box:
    """A centre whose trainings may be in the past, with bookings in any state."""

    client: AsyncClient
    create: Create
    connection: asyncpg.Connection
    centre: Json
    category_id: str
    athletes: dict[str, str] = field(default_factory=dict)

    async def training(self, name: str, starts_at: str, **fields: Any) -> str:
        """Create a training of an hour, and return its id."""
        ends_at = datetime.fromisoformat(starts_at) + timedelta(hours=1)
        times = {"starts_at": starts_at, "ends_at": ends_at.isoformat()}
        usual = {"name": name, "centre_id": self.centre["id"], "capacity": 10}
        return str((await self.create("trainings", {**usual, **times, **fields}))["id"])

    async def book(self, training_id: str, name: str, status: str, late: bool = False) -> None:
        """Book a training for an athlete, who is created if there is none of this name."""
        if name not in self.athletes:
            person = {"name": name, "category_id": self.category_id}
            self.athletes[name] = (await self.create("athletes", person))["id"]
        await self.connection.execute(BOOK, training_id, self.athletes[name], status, late)

    def url(self, first: str, last: str, of: str = "attendance") -> str:
        """Return the URL of a report on some days."""
        return f"{API}/centres/{self.centre['id']}/{of}?from={first}&to={last}"

    async def report(self, first: str, last: str) -> Json:
        """Read the report on some days."""
        response = await self.client.get(self.url(first, last))
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    async def export(self, first: str, last: str, query: str = "") -> str:
        """Read the file on some days."""
        response = await self.client.get(self.url(first, last, "attendance/export") + query)
        assert response.status_code == 200, response.text
        return response.text


@pytest.fixture
async def box(client: AsyncClient, create: Create, connection: asyncpg.Connection) -> Box:
    """Create a centre in Madrid."""
    category = await create("categories", {"name": "Rx"})
    centre = await create("centres", {"name": "Anvil", "time_zone": "Europe/Madrid"})
    return Box(client, create, connection, centre, category["id"])


async def a_monday(box: Box) -> tuple[str, str, str]:
    """Add three trainings to 2025-11-03, with every outcome of a booking; return their ids."""
    morning = await box.training("Morning WOD", "2025-11-03T06:30:00+01:00", capacity=5)
    evening = await box.training("=Evening", "2025-11-03T18:00:00+01:00", coach="-Ana Torres")
    off = await box.training("Open gym", "2025-11-03T18:00:00.5+01:00")
    await box.book(morning, "Mara", "checked_in")
    await box.book(morning, "@lba", "checked_in")
    await box.book(morning, "Noor", "reserved")
    await box.book(morning, "Émile", "cancelled", late=True)
    await box.book(morning, "In Time", "cancelled")
    await box.book(morning, "Waiting", "waitlisted")
    await box.book(evening, "Mara", "checked_in")
    await box.book(evening, "Noor", "cancelled", late=True)
    await box.book(off, "Unlucky", "cancelled", late=True)
    await box.connection.execute(CANCEL, off)
    return morning, evening, off


async def test_a_report_counts_what_became_of_each_booking(box: Box, create: Create) -> None:
    morning, evening, off = await a_monday(box)
    elsewhere = await create("centres", {"name": "Harbour"})
    there = await box.training("Away", "2025-11-03T18:00:00+01:00", centre_id=elsewhere["id"])
    await box.book(there, "Away", "checked_in")
    mara, alba, noor, emile = (box.athletes[name] for name in ("Mara", "@lba", "Noor", "Émile"))
    assert (await box.client.post(f"{API}/athletes/{noor}/erase")).status_code == 204

    found = await box.report("2025-11-03", "2025-11-30")

    assert found == {
        "centre": {"id": box.centre["id"], "name": "Anvil"},
        "time_zone": "Europe/Madrid",
        "from": "2025-11-03",
        "to": "2025-11-30",
        "trainings": [
            {
                "id": morning,
                "name": "Morning WOD",
                "coach": None,
                "starts_at": "2025-11-03T05:30:00.000000Z",
                "ends_at": "2025-11-03T06:30:00.000000Z",
                "status": "scheduled",
                "capacity": 5,
                "taken": 3,
                "present": 2,
                "late": 1,
                "no_shows": 1,
                "waitlisted": 1,
            },
            {
                "id": evening,
                "name": "=Evening",
                "coach": "-Ana Torres",
                "starts_at": "2025-11-03T17:00:00.000000Z",
                "ends_at": "2025-11-03T18:00:00.000000Z",
                "status": "scheduled",
                "capacity": 10,
                "taken": 1,
                "present": 1,
                "late": 1,
                "no_shows": 0,
                "waitlisted": 0,
            },
            {
                "id": off,
                "name": "Open gym",
                "coach": None,
                "starts_at": "2025-11-03T17:00:00.500000Z",
                "ends_at": "2025-11-03T18:00:00.500000Z",
                "status": "cancelled",
                "capacity": 10,
                "taken": 0,
                "present": 0,
                "late": 1,
                "no_shows": 0,
                "waitlisted": 0,
            },
        ],
        "athletes": [
            {"athlete": {"id": alba, "name": "@lba"}, "visits": 1, "no_shows": 0, "late": 0},
            {"athlete": {"id": emile, "name": "Émile"}, "visits": 0, "no_shows": 0, "late": 1},
            {"athlete": {"id": noor, "name": "erased"}, "visits": 0, "no_shows": 1, "late": 1},
            {"athlete": {"id": mara, "name": "Mara"}, "visits": 2, "no_shows": 0, "late": 0},
        ],
        "totals": {
            "trainings": 2,
            "capacity": 15,
            "taken": 4,
            "present": 3,
            "late": 2,
            "no_shows": 1,
            "waitlisted": 1,
        },
    }


async def test_days_without_trainings_have_an_empty_report_and_a_file_with_a_header(
    box: Box,
) -> None:
    assert await box.report("2025-11-03", "2025-11-03") == {
        "centre": {"id": box.centre["id"], "name": "Anvil"},
        "time_zone": "Europe/Madrid",
        "from": "2025-11-03",
        "to": "2025-11-03",
        "trainings": [],
        "athletes": [],
        "totals": NOTHING,
    }
    file = await box.export("2025-11-03", "2025-11-03", "&rows=athletes")
    assert file == "id,name,visits,no_shows,late\r\n"


@pytest.mark.parametrize(
    ("zone", "times"),
    [
        pytest.param(
            "America/Los_Angeles",  # a day of 25 hours
            [
                *("2025-11-02T06:59:59.999999Z", "2025-11-02T07:00:00Z"),
                *("2025-11-03T07:59:59.999999Z", "2025-11-03T08:00:00Z"),
            ],
            id="west",
        ),
        pytest.param(
            "Pacific/Auckland",
            [
                *("2025-11-01T10:59:59.999999Z", "2025-11-01T11:00:00Z"),
                *("2025-11-02T10:59:59.999999Z", "2025-11-02T11:00:00Z"),
            ],
            id="east",
        ),
    ],
)
async def test_days_begin_and_end_at_midnight_of_the_centre(
    box: Box, zone: str, times: list[str]
) -> None:
    await box.client.patch(f"{API}/centres/{box.centre['id']}", json={"time_zone": zone})
    for number, starts_at in enumerate(times):
        await box.training(f"Number {number}", starts_at)

    found = await box.report("2025-11-02", "2025-11-02")
    file = await box.export("2025-11-02", "2025-11-02")

    assert [one["name"] for one in found["trainings"]] == ["Number 1", "Number 2"]
    assert [line.split(",")[3:6] for line in file.splitlines()[1:]] == [
        ["2025-11-02", "2025-11-02 00:00", "2025-11-02 01:00"],
        ["2025-11-02", "2025-11-02 23:59", "2025-11-03 00:59"],
    ]


async def test_a_reserved_booking_is_no_show_only_after_the_end(box: Box) -> None:
    now = datetime.now(UTC)
    runs = await box.training("Runs", (now - timedelta(minutes=30)).isoformat())
    ended = await box.training("Ended", (now - timedelta(minutes=60)).isoformat())
    for training_id in (runs, ended):
        await box.book(training_id, training_id, "reserved")

    days = [str((now + timedelta(days=number)).date()) for number in (-2, 2)]
    found = await box.report(*days)

    assert [(one["name"], one["no_shows"]) for one in found["trainings"]] == [
        ("Ended", 1),
        ("Runs", 0),
    ]
    assert [one["athlete"]["name"] for one in found["athletes"]] == [ended]
    assert found["totals"]["no_shows"] == 1


async def test_the_report_is_revalidated(box: Box) -> None:
    training_id = await box.training("WOD", "2025-11-03T18:00:00Z")
    url = box.url("2025-11-03", "2025-11-03")
    found = await box.client.get(url)

    known = await box.client.get(url, headers={"If-None-Match": found.headers["ETag"]})
    await box.book(training_id, "Mara", "checked_in")
    changed = await box.client.get(url, headers={"If-None-Match": found.headers["ETag"]})

    assert (known.status_code, known.content) == (304, b"")
    assert (changed.status_code, changed.json()["totals"]["present"]) == (200, 1)


async def test_a_file_of_trainings_has_local_times_and_no_formulas(box: Box) -> None:
    morning, evening, off = await a_monday(box)

    response = await box.client.get(box.url("2025-11-01", "2025-11-30", "attendance/export"))

    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == (
        'attachment; filename="attendance-trainings-2025-11-01-2025-11-30.csv"'
    )
    at = "2025-11-03,2025-11-03 06:30,2025-11-03 07:30"
    later = "2025-11-03,2025-11-03 18:00,2025-11-03 19:00"
    assert response.text.split("\r\n") == [
        "id,name,coach,date,starts_at,ends_at,status,"
        "capacity,taken,present,late,no_shows,waitlisted",
        f"{morning},Morning WOD,,{at},scheduled,5,3,2,1,1,1",
        f"{evening},'=Evening,'-Ana Torres,{later},scheduled,10,1,1,1,0,0",
        f"{off},Open gym,,{later},cancelled,10,0,0,1,0,0",
        "",
    ]


async def test_a_file_of_athletes_counts_visits_and_absences(box: Box) -> None:
    await a_monday(box)
    mara, alba, noor, emile = (box.athletes[name] for name in ("Mara", "@lba", "Noor", "Émile"))

    file = await box.export("2025-11-01", "2025-11-30", "&rows=athletes")

    assert file.split("\r\n") == [
        "id,name,visits,no_shows,late",
        f"{alba},'@lba,1,0,0",
        f"{emile},Émile,0,0,1",
        f"{mara},Mara,2,0,0",
        f"{noor},Noor,0,1,1",
        "",
    ]


async def test_a_long_file_is_sent_in_pieces_with_one_header() -> None:
    rows = [(number, f"Athlete {number}", 1, 0, 0) for number in range(ROWS_AT_ONCE + 1)]

    pieces = [piece.decode().splitlines() async for piece in as_csv("athletes", rows)]

    assert [len(piece) for piece in pieces] == [ROWS_AT_ONCE + 1, 1]
    assert pieces[0][0] == "id,name,visits,no_shows,late"
    assert pieces[1] == [f"{ROWS_AT_ONCE},Athlete {ROWS_AT_ONCE},1,0,0"]


@pytest.mark.parametrize("of", ["attendance", "attendance/export"])
class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "errors"),
        [
            ("", [("?from", "missing"), ("?to", "missing")]),
            ("?from=2025-11-03&to=2025-11-02", [("?to", "span")]),
            ("?from=2025-01-01&to=2026-01-02", [("?to", "span")]),
            ("?from=2025-02-29&to=2025-03-01", [("?from", "no_such_day")]),
            ("?from=2025-11-03&to=2025-11-03T00:00:00Z", [("?to", "date_type")]),
        ],
        ids=["no days", "no order", "367 days", "no such day", "a time"],
    )
    async def test_days_that_cannot_be_reported_are_refused(
        self, box: Box, of: str, query: str, errors: list[tuple[str, str]]
    ) -> None:
        response = await box.client.get(f"{API}/centres/{box.centre['id']}/{of}{query}")

        assert problem(response) == (422, "/problems/invalid", errors)

    async def test_a_year_with_a_leap_day_is_reported(self, box: Box, of: str) -> None:
        response = await box.client.get(box.url("2024-01-01", "2024-12-31", of))

        assert response.status_code == 200

    async def test_a_centre_that_does_not_exist_is_not_found(
        self, client: AsyncClient, of: str
    ) -> None:
        days = "from=2025-11-03&to=2025-11-03"

        assert not_found(await client.get(f"{API}/centres/{new_id()}/{of}?{days}"))


async def test_every_plan_uses_the_index_of_the_centre_and_that_of_the_training(
    connection: asyncpg.Connection,
) -> None:
    """Plan for all values. For the few rows of a test, a sequential scan would be cheaper."""
    await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    await connection.execute("SET LOCAL enable_seqscan = off")
    for statement in (report_query(), rows_query("trainings"), rows_query("athletes")):
        await connection.execute(f"PREPARE prepared AS {statement.text}")
        lines = await connection.fetch("EXPLAIN EXECUTE prepared (NULL, NULL, NULL)")
        await connection.execute("DEALLOCATE prepared")

        plan = "\n".join(line for (line,) in lines)
        used = set(re.findall(r"(?:using|Index Scan on) (\w+_(?:trainings|bookings)_\w+)", plan))
        assert used == {INDEX_OF_TRAININGS, INDEX_OF_BOOKINGS}, plan
        assert not re.findall(r"Seq Scan on (?:trainings|bookings)", plan), plan
