"""The timetable of a centre: a week by local days."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncpg import Connection
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.tests.gym import IDS, ROLES, add_gym
from app.application import create_app
from app.conftest import API, Create, Json, client_of, not_found, problem
from app.core.settings import Settings

CENTRE = f"{API}/centres/{IDS['centre']['own']}/timetable"


def schedule(centre: Json, starts_at: str, minutes: int = 60, **fields: Any) -> Json:
    """Make the payload of a training."""
    ends_at = datetime.fromisoformat(starts_at) + timedelta(minutes=minutes)
    times = {"starts_at": starts_at, "ends_at": ends_at.isoformat()}
    return {"name": "WOD", "centre_id": centre["id"], "capacity": 2, **times, **fields}


async def read(client: AsyncClient, centre: Json, week: str, query: str = "") -> Json:
    """Read a week of a centre."""
    response = await client.get(f"{API}/centres/{centre['id']}/timetable?week={week}{query}")
    assert response.status_code == 200, response.text
    timetable: Json = response.json()
    return timetable


def shown(timetable: Json) -> dict[str, list[tuple[str, str]]]:
    """Return the local starts and ends of the trainings of each day that has some."""
    return {
        day["date"]: [(training["start"], training["end"]) for training in day["trainings"]]
        for day in timetable["days"]
        if day["trainings"]
    }


async def test_it_has_the_trainings_and_the_published_programme_of_each_day(
    client: AsyncClient, create: Create
) -> None:
    category = await create("categories", {"name": "Rx"})
    athlete = await create("athletes", {"name": "Ana", "category_id": category["id"]})
    centre = await create("centres", {"name": "Box", "time_zone": "Europe/Lisbon"})
    evening = schedule(centre, "2100-11-23T18:00:00Z", coach="Ben Okafor")
    second = await create("trainings", evening)
    first = await create("trainings", schedule(centre, "2100-11-23T06:30:15Z", 45))
    off = await create("trainings", schedule(centre, "2100-11-28T23:30:00Z"))
    await client.post(f"{API}/trainings/{off['id']}/cancel")
    booking = await create(f"trainings/{second['id']}/bookings", {"athlete_id": athlete["id"]})
    hills = {"name": "Hills", "score_type": "time", "time_cap_ms": 600_000, "description": "Run."}
    workout = await create("workouts", hills)

    async def programmed(position: int, published_at: str | None, day: str = "24") -> Json:
        payload = {"workout_id": workout["id"], "date": f"2100-11-{day}", "position": position}
        payload |= {"published_at": published_at, "notes": f"Part {position}"}
        return await create(f"centres/{centre['id']}/programme", payload)

    later, earlier = [await programmed(number, "2026-01-01T00:00:00Z") for number in (2, 1)]
    await programmed(3, None)
    await programmed(4, "2100-01-01T00:00:00Z")
    await programmed(1, "2026-01-01T00:00:00Z", "29")

    def training(made: Json, start: str, end: str, taken: int = 0, **fields: Any) -> Json:
        seats = {"capacity": 2, "taken": taken, "waiting": 0, "over": 0, "available": 2 - taken}
        names = "id", "name", "coach", "starts_at", "ends_at", "status"
        more = {"seats": seats, "series_id": None, "moved_from": None, "booking": None}
        return {**{name: made[name] for name in names}, "start": start, "end": end, **more} | fields

    def workout_of(made: Json) -> Json:
        return {name: made[name] for name in ("id", "position", "notes", "workout")}

    booked = {"id": booking["id"], "status": "reserved"}
    no_seats = {"capacity": 2, "taken": 0, "waiting": 0, "over": 0, "available": 0}
    days: list[Json] = [
        {"date": f"2100-11-{day}", "programme": [], "trainings": []} for day in range(22, 29)
    ]
    days[1]["trainings"] = [
        training(first, "06:30", "07:15"),
        training(second, "18:00", "19:00", 1, booking=booked),
    ]
    days[2]["programme"] = [workout_of(earlier), workout_of(later)]
    days[6]["trainings"] = [training(off, "23:30", "00:30", seats=no_seats, status="cancelled")]
    assert await read(client, centre, "2100-W47", f"&athlete_id={athlete['id']}") == {
        "centre": {"id": centre["id"], "name": "Box"},
        "time_zone": "Europe/Lisbon",
        "week": "2100-W47",
        "starts_at": "2100-11-22T00:00:00.000000Z",
        "ends_at": "2100-11-29T00:00:00.000000Z",
        "days": days,
    }
    assert earlier["workout"]["description"] == "Run."
    await client.post(f"{API}/bookings/{booking['id']}/cancel")
    again = await read(client, centre, "2100-W47", f"&athlete_id={athlete['id']}")
    assert again["days"][1]["trainings"][1] == training(second, "18:00", "19:00")


@pytest.mark.parametrize(
    ("zone", "week", "starts_at", "ends_at", "trainings"),
    [
        (
            "Europe/Lisbon",
            "2027-W12",
            "2027-03-22T00:00",
            "2027-03-28T23:00",
            {
                "2027-03-28": {
                    "2027-03-28T00:30:00Z": ("00:30", "02:30"),
                    "2027-03-28T22:30:00Z": ("23:30", "00:30"),
                },
            },
        ),
        (
            "Europe/Lisbon",
            "2027-W43",
            "2027-10-24T23:00",
            "2027-11-01T00:00",
            {
                "2027-10-25": {"2027-10-24T23:00:00Z": ("00:00", "01:00")},
                "2027-10-31": {
                    "2027-10-31T00:30:00Z": ("01:30", "01:30"),
                    "2027-10-31T23:30:00Z": ("23:30", "00:30"),
                },
            },
        ),
        (
            "Australia/Lord_Howe",
            "2027-W13",
            "2027-03-28T13:00",
            "2027-04-04T13:30",
            {
                "2027-03-29": {"2027-03-28T13:00:00Z": ("00:00", "01:00")},
                "2027-04-04": {
                    "2027-04-03T14:30:00Z": ("01:30", "02:00"),
                    "2027-04-04T13:00:00Z": ("23:30", "00:30"),
                },
            },
        ),
        (
            "Australia/Lord_Howe",
            "2027-W39",
            "2027-09-26T13:30",
            "2027-10-03T13:00",
            {
                "2027-10-03": {
                    "2027-10-02T15:00:00Z": ("01:30", "03:00"),
                    "2027-10-03T12:30:00Z": ("23:30", "00:30"),
                },
            },
        ),
        (
            "Pacific/Auckland",
            "2027-W38",
            "2027-09-19T12:00",
            "2027-09-26T11:00",
            {
                "2027-09-20": {"2027-09-19T12:05:00Z": ("00:05", "01:05")},
                "2027-09-26": {"2027-09-26T10:30:00Z": ("23:30", "00:30")},
            },
        ),
    ],
)
async def test_a_training_belongs_to_the_local_day_on_which_it_starts(
    client: AsyncClient,
    create: Create,
    zone: str,
    week: str,
    starts_at: str,
    ends_at: str,
    trainings: dict[str, dict[str, tuple[str, str]]],
) -> None:
    centre = await create("centres", {"name": "Box", "time_zone": zone})
    for day in trainings.values():
        for start in day:
            await create("trainings", schedule(centre, start))
    for beyond in (f"{ends_at}:00Z", f"{starts_at}:00Z"):
        moment = datetime.fromisoformat(beyond)
        moment -= timedelta(microseconds=beyond.startswith(starts_at))
        await create("trainings", schedule(centre, moment.isoformat()))

    timetable = await read(client, centre, week)

    assert (timetable["starts_at"], timetable["ends_at"]) == (
        f"{starts_at}:00.000000Z",
        f"{ends_at}:00.000000Z",
    )
    assert shown(timetable) == {date: list(day.values()) for date, day in trainings.items()}


async def test_the_first_hour_of_a_day_may_come_twice(client: AsyncClient, create: Create) -> None:
    centre = await create("centres", {"name": "Box", "time_zone": "Asia/Jerusalem"})
    for start in ("2001-09-23T20:30:00Z", "2001-09-23T21:30:00Z", "2001-09-23T22:30:00Z"):
        await create("trainings", schedule(centre, start))

    assert shown(await read(client, centre, "2001-W38")) == {"2001-09-23": [("23:30", "00:30")]}
    assert shown(await read(client, centre, "2001-W39")) == {
        "2001-09-24": [("00:30", "00:30"), ("00:30", "01:30")]
    }


async def test_the_default_is_the_current_week_at_the_centre(
    client: AsyncClient, create: Create, connection: Connection
) -> None:
    for zone, ahead in (("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)):
        centre = await create("centres", {"name": zone, "time_zone": zone})
        response = await client.get(f"{API}/centres/{centre['id']}/timetable")
        now: datetime = await connection.fetchval("SELECT statement_timestamp()")
        year, week, _ = (now.astimezone(UTC) + timedelta(hours=ahead)).isocalendar()
        assert response.json()["week"] == f"{year}-W{week:02}"


async def test_a_copy_is_current_until_somebody_books(client: AsyncClient, create: Create) -> None:
    category = await create("categories", {"name": "Rx"})
    athlete = await create("athletes", {"name": "Ana", "category_id": category["id"]})
    centre = await create("centres", {"name": "Box"})
    training = await create("trainings", schedule(centre, "2100-11-23T18:00:00Z"))
    url = f"{API}/centres/{centre['id']}/timetable?week=2100-W47"
    first = await client.get(url)
    known = {"If-None-Match": first.headers["ETag"]}

    same = await client.get(url, headers=known)
    await create(f"trainings/{training['id']}/bookings", {"athlete_id": athlete["id"]})
    changed = await client.get(url, headers=known)

    assert (same.status_code, same.content, same.headers["ETag"]) == (
        304,
        b"",
        first.headers["ETag"],
    )
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert changed.json()["days"][1]["trainings"][0]["seats"]["taken"] == 1


@pytest.mark.parametrize(
    ("week", "code", "detail"),
    [
        ("2026-W54", "week_type", "a week like 2026-W48, in the years 1900 to 2199"),
        ("2200-W01", "week_type", "a week like 2026-W48, in the years 1900 to 2199"),
        ("2025-W53", "no_such_week", "The year 2025 has 52 weeks"),
    ],
)
async def test_a_week_that_is_none_is_refused(
    client: AsyncClient, week: str, code: str, detail: str
) -> None:
    response = await client.get(f"{API}/centres/{IDS['centre']['own']}/timetable?week={week}")

    assert problem(response) == (422, "/problems/invalid", [("?week", code)])
    assert detail in response.json()["errors"][0]["detail"]


async def test_the_first_and_last_weeks_and_a_week_53_are_read(
    client: AsyncClient, create: Create
) -> None:
    centre = await create("centres", {"name": "Box", "time_zone": "Pacific/Kiritimati"})
    for week, monday in (
        ("1900-W01", "1900-01-01"),
        ("2026-W53", "2026-12-28"),
        ("2199-W52", "2199-12-23"),
    ):
        timetable = await read(client, centre, week)
        assert (timetable["week"], timetable["days"][0]["date"]) == (week, monday)


async def programme_of(client: AsyncClient) -> list[int]:
    """Return the positions of the workouts that a caller sees on the day with the programme."""
    week = (await client.get(f"{CENTRE}?week=2026-W49")).json()
    return [workout["position"] for workout in week["days"][1]["programme"]]


async def test_only_callers_of_the_centre_see_its_programme_when_it_is_published(
    app: FastAPI, client: AsyncClient, connection: Connection
) -> None:
    await add_gym(connection)
    app_of_gym = create_app(Settings(_env_file=None, public_read=("timetable",)))
    app_of_gym.state.database = app.state.database
    seen: dict[str | None, list[int]] = {}
    for role in (*ROLES, None):
        async with client_of(app_of_gym, caller=ROLES[role] if role else None) as caller:
            seen[role] = await programme_of(caller)
    here: dict[str | None, list[int]] = {role: [1] for role in ROLES if role != "nobody"}
    assert seen == here | {"nobody": [], None: []}


async def test_bookings_are_shown_to_those_who_see_them(
    app: FastAPI, client: AsyncClient, connection: Connection
) -> None:
    await add_gym(connection)
    app_of_gym = create_app(Settings(_env_file=None, public_read=("timetable",)))
    app_of_gym.state.database = app.state.database
    own, shared = IDS["athlete"]["self"], IDS["athlete"]["shared"]
    start = await connection.fetchval(
        "SELECT starts_at FROM trainings WHERE id = $1", IDS["training"]["own"]
    )
    year, week, _ = start.isocalendar()
    foreign = f"{API}/centres/{IDS['centre']['foreign']}/timetable?athlete_id={shared}"

    async with client_of(app_of_gym, caller=ROLES["member"]) as member:
        mine = await member.get(f"{CENTRE}?week={year}-W{week:02}&athlete_id={own}")
        assert not_found(await member.get(f"{CENTRE}?athlete_id={shared}"))
    async with client_of(app_of_gym, caller=ROLES["coach"]) as coach:
        # They see the athlete, and the training, but not who has booked it there.
        assert problem(await coach.get(foreign))[:2] == (403, "/problems/forbidden")
    async with client_of(app_of_gym, caller=ROLES["device"]) as device:
        assert problem(await device.get(f"{CENTRE}?athlete_id={own}"))[0] == 403
    async with client_of(app_of_gym, caller=None) as stranger:
        refused = await stranger.get(f"{CENTRE}?athlete_id={own}")

    bookings = [training["booking"] for day in mine.json()["days"] for training in day["trainings"]]
    assert {"id": str(IDS["booking"]["self"]), "status": "reserved"} in bookings
    assert problem(refused) == (401, "/problems/unauthenticated", [])
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    unknown = f"{CENTRE}?athlete_id={IDS['centre']['own']}"
    assert not_found(await client.get(unknown))
