"""A large leaderboard: its computation, and its pages while results arrive."""

import asyncio
import random
import tempfile
import time
from collections.abc import Mapping
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from app.commands.progress import progress
from app.commands.prove.service import running_service
from app.core.resources.fields import new_id
from app.leaderboards.refresh import lock_ranking_query, refresh_query
from bench.bookings import SESSION
from bench.database import Sample, filled_database, tidy
from bench.load import Measured, Request, load
from bench.results import Target

ENTRIES, EVENTS = 30_000, 6
RESULTS_A_SECOND = 50
SECONDS = 20
ROUNDS = 5
READERS = 2
"""Connections that read pages, one after the other."""
FILL = (
    """
    INSERT INTO workouts (id, name, name_key, benchmark, score_type, best, tie_break)
    SELECT gen_random_uuid(), g, g, false, 'time', 'lowest', 'none' FROM generate_series(1, $1) g
    """,
    """
    INSERT INTO competitions
        (id, name, name_key, time_zone, starts_on, ends_on, points, overall_tie, status,
         published_at)
    VALUES ($1, 'Open', 'open', 'UTC', '2026-03-01', '2026-03-20', 'place', 'shared', 'open', now())
    """,
    """
    INSERT INTO competition_events (id, competition_id, workout_id, ordinal, published_at)
    SELECT gen_random_uuid(), $1, id, row_number() OVER (), now() FROM workouts
    """,
    """
    INSERT INTO entries (id, competition_id, athlete_id, category_id)
    SELECT gen_random_uuid(), $1, id, $2 FROM athletes
    """,
    "INSERT INTO boards VALUES ($1, $2, (SELECT count(*) FROM entries), 1)",
    "INSERT INTO rankings VALUES ($1, $2, 0, NULL, '{}')",
    """
    INSERT INTO results
        (id, athlete_id, workout_id, score_type, best, tie_break_by, competition_id, event_id,
         entry_id, category_id, performed_at, performed_on, scaling, outcome, time_ms, entered)
    SELECT gen_random_uuid(), entries.athlete_id, events.workout_id, 'time', 'lowest', 'none',
        events.competition_id, events.id, entries.id, entries.category_id, now(), '2026-03-01',
        'rx', 'finished', (300 + random() * 900)::int * 1000, 'typed'
    FROM entries, competition_events events WHERE random() < 0.93
    """,
)
TIDY = """
    VACUUM (ANALYZE) workouts, competitions, competition_events, entries, boards, results,
        rankings, standings
"""
CHANGE = """
    UPDATE results SET time_ms = time_ms + 1000
    WHERE id IN (SELECT id FROM results ORDER BY random() LIMIT 50)
"""


def leaderboards() -> list[Target]:
    """Measure the computation of a board, and the latency of its pages under writes."""
    with (
        progress("leaderboards") as show,
        filled_database(ENTRIES) as (_, sample),
        tempfile.TemporaryFile("a+") as log,
    ):
        show(0, "filling")
        board = {"competition_id": new_id(), "category_id": sample.category_ids[0]}
        events, entries = asyncio.run(_filled(sample, board))
        targets = []
        for number, tie in enumerate(("shared", "best_places")):
            show(0.2 + number * 0.2, f"computing, {tie}")
            seconds = asyncio.run(_computed(sample, board, tie))
            what = f"ms to compute {ENTRIES:,} x {EVENTS}, ties {tie}"
            targets.append(Target(what, seconds * 1000, "most", 1000, 360))
        with running_service(log) as service:
            show(0.6, f"pages while {RESULTS_A_SECOND} results arrive each second")
            paths = events, entries
            measured = asyncio.run(_read_under_writes(service.url, sample, board, paths))
        print(f"{measured.rate:.0f} pages/s, p50 {measured.p50:.1f} ms")
        what = f"p99 of a page in ms while {RESULTS_A_SECOND} results/s arrive"
        return [*targets, Target(what, measured.p99, "most", 50, 20)]


async def _filled(sample: Sample, board: Mapping[str, UUID]) -> tuple[list[UUID], list[UUID]]:
    """Fill a competition with one board; return the ids of its events and of its entries."""
    connection = await asyncpg.connect(sample.url)
    competition_id, category_id = board.values()
    arguments = [(EVENTS,), (competition_id,), (competition_id,), (competition_id, category_id)]
    for statement, given in zip(FILL[:4], arguments, strict=True):
        await connection.execute(statement, *given)
    for statement in FILL[4:6]:
        await connection.execute(statement, competition_id, category_id)
    await connection.execute(FILL[6])
    await connection.execute(TIDY)
    await tidy(connection)
    events = await connection.fetch("SELECT id FROM competition_events")
    entries = await connection.fetch("SELECT id FROM entries")
    await connection.close()
    return [row["id"] for row in events], [row["id"] for row in entries]


async def _computed(sample: Sample, board: Mapping[str, UUID], tie: str) -> float:
    """Return the median seconds of a computation after 50 results have changed."""
    connection = await asyncpg.connect(sample.url, server_settings=SESSION)
    await connection.execute("UPDATE competitions SET overall_tie = $1", tie)
    lock, statement = lock_ranking_query(), refresh_query(breaks_ties=tie == "best_places")
    seconds = []
    for number in range(ROUNDS + 1):
        await connection.execute(CHANGE)
        begun = time.perf_counter()
        async with connection.transaction():
            await connection.fetch(lock.text, *lock.arguments(board))
            await connection.fetch(statement.text, *statement.arguments(board))
        # The first round writes all standings, and does not count.
        seconds += [time.perf_counter() - begun] * bool(number)
        await connection.execute(TIDY)
    await connection.close()
    return median(seconds)


async def _read_under_writes(
    url: str,
    sample: Sample,
    board: Mapping[str, UUID],
    paths: tuple[list[UUID], list[UUID]],
) -> Measured:
    """Read pages of 50 in a loop, while results arrive; return the latencies of the pages."""
    query = f"category_id={board['category_id']}&limit=50"
    page = f"/api/v1/competitions/{board['competition_id']}/leaderboard?{query}"
    loading = asyncio.to_thread(load, url, [Request("GET", page)], SECONDS, sample.headers, READERS)
    async with httpx.AsyncClient(base_url=url, headers=sample.headers, trust_env=False) as client:
        await client.get(page)
        reading = asyncio.create_task(loading)
        written = await _write(client, paths, reading)
        measured = await reading
    measured.require_answers("a page of a leaderboard")
    print(f"{written / SECONDS:.0f} results/s were written")
    return measured


async def _write(
    client: httpx.AsyncClient, paths: tuple[list[UUID], list[UUID]], until: asyncio.Task[Any]
) -> int:
    """Write results at an even rate until a task ends; return their number."""
    events, entries = paths
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    begun, written = time.perf_counter(), 0
    while not until.done():
        event, entry = chance.choice(events), chance.choice(entries)
        score = {"score": f"{chance.randrange(5, 20)}:{chance.randrange(60):02}"}
        path = f"/api/v1/competition-events/{event}/results/{entry}"
        (await client.put(path, json=score)).raise_for_status()
        written += 1
        ahead = written / RESULTS_A_SECOND - (time.perf_counter() - begun)
        await asyncio.sleep(max(0, ahead))
    return written
