"""The throughput of bookings, compared with PostgreSQL running the same statements directly."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import quantiles
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import uvloop

from app.commands.progress import progress
from app.commands.prove.service import running_service
from app.core.access import EVERYTHING
from app.core.db.statements import Statement
from app.core.resources.fields import new_id
from app.trainings import seats
from app.trainings.bookings import BookingsCRUD
from bench.database import FIRST_DAY, Sample, filled_database
from bench.load import Measured, NotLoaded, Request, load
from bench.operations import quiet
from bench.opponents import SERVICE, cpu_seconds
from bench.results import Comparison, Round

ALONE = "PostgreSQL alone"
"""The service's statements, sent by the driver directly over as many connections."""
ROWS = 100_000
ROUNDS = 5
SECONDS = 2
CONNECTIONS = 10
SESSION = {
    "timezone": "UTC",
    "jit_above_cost": "-1",
    "plan_cache_mode": "force_generic_plan",
}
"""The session settings of the service."""

Ids = tuple[Any, ...]
"""The ids of a request: a training and an athlete, or a booking."""


@dataclass(frozen=True)
class Stage:
    """A connection to a database with trainings and bookings, and athletes without bookings."""

    connection: Any
    newcomers: Sequence[UUID]
    chance: random.Random


@dataclass(frozen=True)
class Action:
    """An operation on bookings: its ids, its request, and its statements without the service."""

    name: str
    things: Callable[[Stage], Coroutine[Any, Any, list[Ids]]]
    request: Callable[[Ids], Request]
    statements: Callable[[Any, Ids], Coroutine[Any, Any, None]]


async def _of_one(stage: Stage) -> list[Ids]:
    """Return ids for booking the one large training."""
    training_id = await stage.connection.fetchval("SELECT id FROM trainings WHERE name = 'One'")
    return [(training_id, athlete_id) for athlete_id in stage.newcomers]


async def _of_many(stage: Stage) -> list[Ids]:
    """Return ids for booking a different training each time."""
    rows = await stage.connection.fetch("SELECT id FROM trainings WHERE name = 'Open'")
    ids = [row["id"] for row in rows]
    stage.chance.shuffle(ids)
    return list(zip(ids, stage.newcomers, strict=False))


async def _with_line(stage: Stage) -> list[Ids]:
    """Return the bookings with a seat in trainings that have a waitlist."""
    return await _seats(stage, "Full")


async def _about_to_start(stage: Stage) -> list[Ids]:
    """Return the bookings with a seat in trainings that start soon."""
    return await _seats(stage, "Now")


async def _seats(stage: Stage, name: str) -> list[Ids]:
    rows = await stage.connection.fetch(SEATS, name)
    ids = [(row["id"],) for row in rows]
    stage.chance.shuffle(ids)
    return ids


async def _book(connection: Any, ids: Ids) -> None:
    training_id, athlete_id = ids
    both = {"training_id": training_id, "athlete_id": athlete_id}
    training = await _row(connection, seats.lock_training_and_athlete_query(), both)
    has_seat = training["taken"] < training["capacity"]
    statement = BookingsCRUD.queries.book_query("reserved" if has_seat else "waitlisted")
    assert await _row(connection, statement, {**both, "id": new_id(), "now": training["now"]})


async def _cancel(connection: Any, ids: Ids) -> None:
    (booking_id,) = ids
    training = await _row(connection, seats.lock_training_of_booking_query(), {"id": booking_id})
    values = {"id": booking_id, "training_id": training["id"], "now": training["now"]}
    await _row(connection, seats.lock_waiting_for_seat_query(), values)
    assert await _row(connection, BookingsCRUD.queries.cancel_query(seat=True), values)


async def _check_in(connection: Any, ids: Ids) -> None:
    (booking_id,) = ids
    statement = BookingsCRUD.queries.note_query("checked_in_at")
    assert await _row(connection, statement, {"id": booking_id, "now": None})


async def _row(connection: Any, statement: Statement, values: Mapping[str, Any]) -> Any:
    values = {**values, **EVERYTHING.values()}
    return await connection.fetchrow(statement.text, *statement.arguments(values))


def _booking(ids: Ids) -> Request:
    training_id, athlete_id = ids
    path = f"/api/v1/trainings/{training_id}/bookings"
    return Request("POST", path, {"athlete_id": str(athlete_id)})


def _cancelling(ids: Ids) -> Request:
    return Request("POST", f"/api/v1/bookings/{ids[0]}/cancel")


def _checking_in(ids: Ids) -> Request:
    return Request("POST", f"/api/v1/bookings/{ids[0]}/check-in")


ACTIONS = (
    Action("book one training", _of_one, _booking, _book),
    Action("book many trainings", _of_many, _booking, _book),
    Action("cancel, and promote", _with_line, _cancelling, _cancel),
    Action("check in", _about_to_start, _checking_in, _check_in),
)

ADD_TRAININGS = """
    INSERT INTO trainings (id, name, starts_at, ends_at, capacity, taken, waiting, centre_id)
    SELECT uuidv7(), kind.name, starts_at, starts_at + long, capacity, taken, waiting, centre.id
    FROM (VALUES
        ('One', 1, 1000, 0, 0, interval '1 year', interval '1 hour'),
        ('Open', $1 / 5, 20, 10, 0, interval '1 day', interval '1 hour'),
        ('Full', $1 / 50, 10, 10, 10, interval '1 day', interval '1 hour'),
        ('Now', $1 / 40, 10, 10, 0, interval '30 minutes', interval '12 hours')
    ) AS kind (name, number, capacity, taken, waiting, later, long)
    CROSS JOIN LATERAL generate_series(1, number) AS one
    CROSS JOIN LATERAL (
        SELECT now() + later + CASE WHEN kind.name = 'Now' THEN 0 ELSE one END * interval '1 hour'
    ) AS start (starts_at)
    JOIN (SELECT id, row_number() OVER () AS number FROM centres) AS centre
        ON centre.number = one % (SELECT count(*) FROM centres) + 1
"""
"""Insert the large training, open ones, full ones with a waitlist, and ones that start soon.

Open and full trainings start one hour after the other.
"""

ADD_BOOKINGS = """
    INSERT INTO bookings (id, training_id, athlete_id, starts_at, ends_at, status, booked_at)
    SELECT uuidv7(), training.id, athlete.id, starts_at, ends_at,
        CASE WHEN place <= taken THEN 'reserved' ELSE 'waitlisted' END,
        $2::timestamptz + place * interval '1 second'
    FROM (SELECT *, row_number() OVER (ORDER BY name, id) AS number FROM trainings) AS training
    CROSS JOIN LATERAL generate_series(1, taken + waiting) AS place
    JOIN (SELECT id, ordinality FROM unnest($1::uuid[]) WITH ORDINALITY AS one (id)) AS athlete
        ON ordinality = (training.number * 20 + place) % cardinality($1) + 1
"""
"""Insert bookings for the seats and the waitlists; no athlete's bookings overlap."""

SEATS = """
    SELECT bookings.id FROM bookings JOIN trainings ON trainings.id = training_id
    WHERE trainings.name = $1 AND bookings.status = 'reserved'
"""

FORGET_NEW = "DELETE FROM bookings WHERE booked_at > $1"
UNDO_CHANGES = """
    UPDATE bookings
    SET version = 1, checked_in_at = NULL, cancelled_at = NULL,
        status = CASE status WHEN 'reserved' THEN 'waitlisted' ELSE 'reserved' END
    WHERE version > 1
"""
COUNT_AGAIN = """
    UPDATE trainings SET taken = counted.taken, waiting = counted.waiting
    FROM (
        SELECT trainings.id,
            count(*) FILTER (WHERE bookings.status = 'reserved') AS taken,
            count(*) FILTER (WHERE bookings.status = 'waitlisted') AS waiting
        FROM trainings LEFT JOIN bookings ON bookings.training_id = trainings.id
        GROUP BY trainings.id
    ) AS counted
    WHERE counted.id = trainings.id
        AND (trainings.taken, trainings.waiting) <> (counted.taken, counted.waiting)
"""


def bookings() -> Comparison:
    """Measure the service and PostgreSQL alone in alternation."""
    measured: list[Round] = []
    with (
        progress("bookings") as show,
        filled_database(ROWS) as (server, sample),
        tempfile.TemporaryFile("a+") as log,
        running_service(log) as service,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        show(None, "booking trainings")
        stage = runner.run(booked(sample))
        connections = runner.run(connected(sample.url))

        def by_service(action: Action, things: list[Ids], seconds: float) -> Measured:
            requests = [action.request(ids) for ids in things]
            return load(service.url, requests, seconds, sample.headers)

        def alone(action: Action, things: list[Ids], seconds: float) -> Measured:
            return runner.run(load_alone(connections, action, things, seconds))

        ways = (SERVICE, by_service, service.family()), (ALONE, alone, [psutil.Process()])
        for number in range(ROUNDS + 1):
            for done, action in enumerate(ACTIONS):
                part = (number * len(ACTIONS) + done) / ((ROUNDS + 1) * len(ACTIONS))
                # The order alternates, so that neither always comes second.
                for name, measure, processes in ways[:: 1 if number % 2 else -1]:
                    show(part, f"round {number}, {action.name}, {name}")
                    things = runner.run(action.things(stage))
                    app, database = cpu_seconds(processes), cpu_seconds(server.processes())
                    # The first round is a warm-up and does not count.
                    one = measure(action, things, SECONDS if number else 1)
                    million = 1e6 / one.requests
                    app = (cpu_seconds(processes) - app) * million
                    database = (cpu_seconds(server.processes()) - database) * million
                    one.require_answers(f"{action.name}, {name}")
                    measured += [Round(action.name, name, one, app, database)] * bool(number)
                    runner.run(undo(stage))
        for connection in [stage.connection, *connections]:
            runner.run(connection.close())
    return Comparison(measured, "bookings")


async def booked(sample: Sample) -> Stage:
    """Insert trainings, and bookings of half of the athletes."""
    half = len(sample.athlete_ids) // 2
    connection = await asyncpg.connect(sample.url)
    await connection.execute(ADD_TRAININGS, len(sample.athlete_ids))
    await connection.execute(ADD_BOOKINGS, sample.athlete_ids[:half], FIRST_DAY)
    await _tidy(connection)
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    return Stage(connection, sample.athlete_ids[half:], chance)


async def connected(url: str) -> list[Any]:
    """Open as many connections as the service has, with the same session settings."""
    return [await asyncpg.connect(url, server_settings=SESSION) for _ in range(CONNECTIONS)]


async def load_alone(
    connections: Sequence[Any], action: Action, things: Sequence[Ids], seconds: float
) -> Measured:
    """Run an action for one item after the other, over all connections; raise ``NotLoaded``."""
    left = iter(things)
    times: list[float] = []
    begun = time.perf_counter()

    async def work(connection: Any) -> None:
        while (now := time.perf_counter()) < begun + seconds:
            if (ids := next(left, None)) is None:
                raise NotLoaded(f"{action.name}: {len(things)} items are not enough")
            await connection.execute("BEGIN")
            await action.statements(connection, ids)
            await connection.execute("COMMIT")
            times.append(1000 * (time.perf_counter() - now))

    await asyncio.gather(*(work(connection) for connection in connections))
    taken = time.perf_counter() - begun
    parts = quantiles(times, n=100)
    return Measured(len(times), taken, 0, 0, parts[49], parts[98])


async def undo(stage: Stage) -> None:
    """Undo all changes to bookings and vacuum, so that each measurement has equal tables."""
    await quiet(stage.connection)
    await stage.connection.execute(FORGET_NEW, FIRST_DAY + timedelta(days=1))
    await stage.connection.execute(UNDO_CHANGES)
    await stage.connection.execute(COUNT_AGAIN)
    await _tidy(stage.connection)


async def _tidy(connection: Any) -> None:
    await connection.execute("VACUUM (ANALYZE) trainings, bookings")
    await connection.execute("CHECKPOINT")
