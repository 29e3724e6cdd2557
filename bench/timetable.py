"""The timetable of a centre: one that many read at once, and those of many athletes."""

import asyncio
import tempfile
from datetime import date
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

from app.commands.progress import progress
from app.commands.prove.service import running_service
from bench.database import Sample, filled_database, tidy
from bench.load import Request, load
from bench.opponents import SERVICE, cpu_seconds
from bench.results import Round, Target

ROWS = 20_000
WEEK, MONDAY = "2026-W48", date(2026, 11, 23)
WEEKS = 10
BOOKED = 3
"""Bookings of each training."""
MOST_ATHLETES = 10_000
ROUNDS = 5
SECONDS = 2
LIMITS = {
    "one timetable": (2500, 5000),
    "of 200 centres": (1500, 2500),
    "of athletes": (1200, 2000),
}
"""The least requests per second, and the aim."""
FILL = (
    """
    INSERT INTO trainings
        (id, name, coach, starts_at, ends_at, capacity, taken, centre_id)
    SELECT gen_random_uuid(), 'WOD', 'Ana Torres', starts_at, starts_at + interval '1 hour', 12,
        $3::int, centres.id
    FROM centres, generate_series(0, 6) AS day, generate_series(0, $2::int - 1) AS week,
        generate_series(7, 16) AS hour,
        LATERAL (SELECT ($1::date + week * 7 + day + hour * interval '1 hour') AT TIME ZONE 'UTC')
            AS start (starts_at)
    WHERE day < 6
    """,
    """
    INSERT INTO workouts
        (id, name, name_key, description, benchmark, score_type, best, tie_break)
    SELECT gen_random_uuid(), g, g, repeat('21-15-9 reps of thrusters and pull-ups. ', 4), false,
        'time', 'lowest', 'none'
    FROM generate_series(1, 500) AS g
    """,
    """
    INSERT INTO programmed_workouts
        (id, centre_id, workout_id, date, position, notes, published_at)
    SELECT gen_random_uuid(), centres.id, workouts.id, $1::date + day, position,
        'Aim for less than 8 minutes.', now() - interval '1 hour'
    FROM centres, generate_series(0, 7 * $2::int - 1) AS day, generate_series(1, 2) AS position
    JOIN (SELECT id, row_number() OVER () AS number FROM workouts) AS workouts
        ON number = position * 10
    """,
    """
    INSERT INTO bookings (id, training_id, athlete_id, starts_at, ends_at, status, booked_at)
    SELECT gen_random_uuid(), trainings.id, athletes.id, starts_at, ends_at, 'reserved',
        now() + place * interval '1 second'
    FROM (SELECT *, row_number() OVER () AS number FROM trainings) AS trainings
    CROSS JOIN generate_series(1, $1::int) AS place
    JOIN (SELECT id, row_number() OVER () - 1 AS number FROM athletes) AS athletes
        ON athletes.number = (trainings.number * $1 + place) % (SELECT count(*) FROM athletes)
    """,
)
"""Fill ten weeks of each centre, with two workouts a day, and book the trainings."""
TIDY = "VACUUM (ANALYZE) trainings, bookings, workouts, programmed_workouts"


def timetable() -> list[Target]:
    """Measure reads of one timetable, of those of all centres, and with bookings of athletes."""
    measured: dict[str, list[Round]] = {}
    with (
        progress("timetable") as show,
        filled_database(ROWS) as (server, sample),
        tempfile.TemporaryFile("a+") as log,
    ):
        show(0, "filling")
        asyncio.run(_filled(sample))
        with running_service(log) as service:
            loads = _loads(sample)
            for number in range(ROUNDS + 1):
                for what, requests in loads.items():
                    show(number / (ROUNDS + 1), f"round {number}, {what}")
                    app, database = cpu_seconds(service.family()), cpu_seconds(server.processes())
                    # The first round is a warm-up and does not count.
                    one = load(service.url, requests, SECONDS if number else 1, sample.headers)
                    million = 1e6 / one.requests
                    app = (cpu_seconds(service.family()) - app) * million
                    database = (cpu_seconds(server.processes()) - database) * million
                    one.require_answers(what)
                    this = Round(what, SERVICE, one, app, database)
                    measured.setdefault(what, []).extend([this] * bool(number))
    return [_target(rounds) for rounds in measured.values()]


def _target(rounds: list[Round]) -> Target:
    """Print what a load costs, and return the requests per second that it reached."""
    what = rounds[0].operation
    app = median(one.app_cpu for one in rounds)
    database = median(one.database_cpu for one in rounds)
    p50 = median(one.measured.p50 for one in rounds)
    p99 = median(one.measured.p99 for one in rounds)
    print(f"{what}: app {app:.0f} µs, db {database:.0f} µs, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    rate = median(one.measured.rate for one in rounds)
    return Target(f"{what}: requests/s", rate, "least", *LIMITS[what])


async def _filled(sample: Sample) -> None:
    """Fill ten weeks of each centre with trainings, a programme and bookings."""
    connection = await asyncpg.connect(sample.url)
    given: list[tuple[Any, ...]] = [(MONDAY, WEEKS, BOOKED), (), (MONDAY, WEEKS), (BOOKED,)]
    for statement, arguments in zip(FILL, given, strict=True):
        await connection.execute(statement, *arguments)
    await connection.execute(TIDY)
    await tidy(connection)
    await connection.close()


def _loads(sample: Sample) -> dict[str, list[Request]]:
    """Return the requests of each load: one week has 60 trainings and 14 workouts."""
    centres = sample.centre_ids
    booked = enumerate(sample.athlete_ids[:MOST_ATHLETES])
    return {
        "one timetable": [_week(centres[0])],
        "of 200 centres": [_week(centre_id) for centre_id in centres],
        "of athletes": [
            _week(centres[number % len(centres)], f"&athlete_id={athlete_id}")
            for number, athlete_id in booked
        ],
    }


def _week(centre_id: UUID, query: str = "") -> Request:
    return Request("GET", f"/api/v1/centres/{centre_id}/timetable?week={WEEK}{query}")
