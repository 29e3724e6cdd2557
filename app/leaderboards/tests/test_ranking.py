"""Standings under random competitions: the SQL against the oracle."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.conftest import OneConnection
from app.core.db.transactions import Database
from app.leaderboards.queries import page_query
from app.leaderboards.refresh import refresh
from app.leaderboards.tests.oracle import (
    MEASURES,
    Competition,
    Entry,
    Event,
    Outcome,
    Result,
    Review,
    Scaling,
    Standing,
    Status,
    Workout,
    rank,
)

pytestmark = pytest.mark.slow

LARGEST = 2**31 - 1
"""The largest measure that a place key holds."""
CATEGORIES = UUID(int=1), UUID(int=2)
SEXES = "female", "male"
NAMES = "ana", "bea", "bea", "cem"
"""Some athletes have equal names."""

scalings: st.SearchStrategy[Scaling] = st.sampled_from(
    ["rx", "rx", "rx_plus", "scaled", "foundations"]
)
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    ["finished", "finished", "finished", "capped", "dnf", "dns"]
)
reviews: st.SearchStrategy[Review] = st.sampled_from(
    ["none", "none", "none", "valid", "adjusted", "invalid"]
)
statuses: st.SearchStrategy[Status] = st.sampled_from(
    ["entered", "entered", "entered", "withdrawn", "withdrawn", "disqualified"]
)
measures = st.sampled_from([0, 1, 1, 2, 2, 65_536, LARGEST - 1, LARGEST])
pairs = st.sampled_from([(0, 0), (0, 65_535), (1, 0), (5, 12), (32_767, 0), (32_767, 65_535)])
tie_breaks = st.sampled_from([None, 0, 1, 250_000, 2**23 - 2])
tables = st.lists(st.integers(0, 3), min_size=1, max_size=12).map(tuple)


@st.composite
def workouts(draw: st.DrawFn) -> Workout:
    """Generate how a workout is scored."""
    score_type = draw(st.sampled_from(["time", "time", *MEASURES]))
    kinds = ["none"] if score_type == "none" else ["none", "time", "reps", "load"]
    best = draw(st.sampled_from(["lowest", "highest"]))
    return Workout(score_type, best, draw(st.sampled_from(kinds)))  # type: ignore[arg-type]


@st.composite
def results(draw: st.DrawFn, entry: str, event: Event) -> Result:
    """Generate a result of an entry in an event."""
    score_type = event.workout.score_type
    outcome = draw(outcomes)
    if outcome == "capped" and score_type != "time":
        outcome = "finished"
    fields: dict[str, Any] = {}
    if outcome == "capped":
        fields["reps"] = draw(measures)
    elif outcome == "finished" and score_type == "rounds_reps":
        fields["rounds"], fields["reps"] = draw(pairs)
    elif outcome == "finished":
        fields = {name: draw(measures) for name in MEASURES[score_type]}
    if event.workout.tie_break != "none" and outcome in ("finished", "capped"):
        fields["tie_break"] = draw(tie_breaks)
    review, scaling = draw(reviews), draw(scalings)
    return Result(entry, event.ordinal, scaling, outcome, **fields, review=review)


@st.composite
def entries(draw: st.DrawFn, number: int) -> Entry:
    """Generate an entry of an athlete: the key is the number of the athlete."""
    status = draw(statuses)
    before = draw(st.sampled_from([1, 2, 4, 50])) if status == "withdrawn" else None
    return Entry(str(number), NAMES[number % 4], str(number % 2), status, before)


@dataclass(frozen=True)
class Story:
    """A competition, and what it is after some changes."""

    before: Competition
    after: Competition


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Generate a competition and some changes of it."""
    points = draw(st.sampled_from(["place", "table"]))
    events = [
        Event(ordinal, draw(workouts()), draw(tables) if points == "table" else None)
        for ordinal in draw(st.lists(st.integers(1, 50), max_size=4, unique=True))
    ]
    taking = [draw(entries(number)) for number in range(draw(st.integers(1, 9)))]
    found = {
        (entry.key, event.ordinal): draw(results(entry.key, event))
        for event in events
        for entry in taking
        if draw(st.sampled_from([True, True, True, False]))
    }
    before = _competition(points, draw(_ties), events, taking, found)

    for number, entry in enumerate(taking):
        if draw(_rarely):
            taking[number] = draw(entries(int(entry.key)))
        for event in events:
            if draw(_rarely):
                found[entry.key, event.ordinal] = draw(results(entry.key, event))
            elif draw(_rarely):
                found.pop((entry.key, event.ordinal), None)
    if points == "table":
        events = [
            replace(event, points_table=draw(tables)) if draw(_rarely) else event
            for event in events
        ]
    return Story(before, _competition(points, draw(_ties), events, taking, found))


_ties = st.sampled_from(["shared", "best_places"])
_rarely = st.sampled_from([False, False, False, False, True])


def _competition(
    points: Any,
    overall_tie: Any,
    events: Iterable[Event],
    taking: Iterable[Entry],
    found: Mapping[Any, Result],
) -> Competition:
    return Competition(points, overall_tie, tuple(events), tuple(taking), tuple(found.values()))


def expected(competition: Competition) -> dict[str, Standing]:
    """Return what the oracle says. A result of a workout without a score has no place."""
    scoreless = {one.ordinal for one in competition.events if one.workout.score_type == "none"}
    return rank(
        replace(
            competition,
            results=tuple(
                replace(result, review="invalid") if result.event in scoreless else result
                for result in competition.results
            ),
        )
    )


class Stage:
    """The tables of one competition, written by SQL."""

    _numbers = count(1)

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._number = next(self._numbers)
        self.id = self._id(0)

    async def set_up(self, competition: Competition) -> None:
        """Write a competition without results."""
        await self._insert(
            "competitions",
            [
                {
                    "id": self.id,
                    "name": "Throwdown",
                    "name_key": "throwdown",
                    "time_zone": "UTC",
                    "starts_on": "2026-12-05",
                    "ends_on": "2026-12-06",
                    "points": competition.points,
                    "overall_tie": competition.overall_tie,
                }
            ],
        )
        await self._insert(
            "workouts",
            [
                {
                    "id": self._workout(event),
                    "name": "W",
                    "name_key": "w",
                    "benchmark": False,
                    **asdict(event.workout),
                }
                for event in competition.events
            ],
        )
        await self._insert(
            "competition_events",
            [
                {
                    "id": self._event(event.ordinal),
                    "competition_id": self.id,
                    "workout_id": self._workout(event),
                    "ordinal": event.ordinal,
                    "points_table": event.points_table,
                }
                for event in competition.events
            ],
        )
        await self._insert(
            "entries",
            [
                {
                    "id": self.entry(entry.key),
                    "competition_id": self.id,
                    "athlete_id": UUID(int=int(entry.key) + 1),
                    "category_id": CATEGORIES[int(entry.category)],
                    "status": entry.status,
                    "withdrawn_before": entry.withdrawn_before,
                }
                for entry in competition.entries
            ],
        )
        await self._insert(
            "boards",
            [
                {"competition_id": self.id, "category_id": one, "entries": 9, "revision": 1}
                for one in CATEGORIES
            ],
        )
        await self._write_results(competition)

    async def change(self, competition: Competition) -> None:
        """Write what a competition has become."""
        await self._connection.execute("DELETE FROM results WHERE competition_id = $1", self.id)
        await self._connection.execute(
            "UPDATE competitions SET overall_tie = $2 WHERE id = $1",
            self.id,
            competition.overall_tie,
        )
        await self._connection.executemany(
            "UPDATE competition_events SET points_table = $2 WHERE id = $1",
            [(self._event(event.ordinal), event.points_table) for event in competition.events],
        )
        await self._connection.executemany(
            "UPDATE entries SET status = $2, withdrawn_before = $3 WHERE id = $1",
            [
                (self.entry(entry.key), entry.status, entry.withdrawn_before)
                for entry in competition.entries
            ],
        )
        await self._write_results(competition)
        await self._connection.execute(
            "UPDATE boards SET revision = revision + 1 WHERE competition_id = $1", self.id
        )

    async def _write_results(self, competition: Competition) -> None:
        events = {event.ordinal: event for event in competition.events}
        categories = {entry.key: int(entry.category) for entry in competition.entries}
        rows = []
        for result in competition.results:
            event = events[result.event]
            row = asdict(result)
            del row["event"], row["entry"]
            rows.append(
                {
                    **row,
                    "id": self._id(1_000 + result.event * 100 + int(result.entry)),
                    "athlete_id": UUID(int=int(result.entry) + 1),
                    "workout_id": self._workout(event),
                    "score_type": event.workout.score_type,
                    "best": event.workout.best,
                    "tie_break_by": event.workout.tie_break,
                    "competition_id": self.id,
                    "event_id": self._event(event.ordinal),
                    "entry_id": self.entry(result.entry),
                    "category_id": CATEGORIES[categories[result.entry]],
                    "performed_at": "2026-12-05T10:00:00Z",
                    "performed_on": "2026-12-05",
                }
            )
        await self._insert("results", rows)

    async def standings(self, competition: Competition, category: int) -> dict[str, Any]:
        """Bring a board up to date; return rank, points and places by entry."""
        board = CATEGORIES[category]
        await refresh(Database(OneConnection(self._connection)), self.id, board)
        ranking = await self._connection.fetchrow(
            "SELECT revision, ordinals FROM rankings WHERE competition_id = $1"
            " AND category_id = $2",
            self.id,
            board,
        )
        current = await self._connection.fetchval(
            "SELECT revision FROM boards WHERE competition_id = $1 AND category_id = $2",
            self.id,
            board,
        )
        assert ranking["revision"] == current
        rows = await self._connection.fetch(
            "SELECT * FROM standings WHERE competition_id = $1 AND category_id = $2"
            " ORDER BY position",
            self.id,
            board,
        )
        assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
        names = {self.entry(entry.key): entry.name for entry in competition.entries}
        shown = [(row["rank"] or 100, names[row["entry_id"]], row["entry_id"]) for row in rows]
        assert shown == sorted(shown)
        return {
            self._key(row["entry_id"]): (
                row["rank"],
                row["points"],
                dict(zip(ranking["ordinals"], row["places"], strict=True)),
            )
            for row in rows
        }

    async def page(
        self, competition: Competition, category: int, sex: str, *, anew: bool
    ) -> dict[str, Any]:
        """Read the entries of one sex; return rank, points, and places and points by event."""
        statement = page_query(
            frozenset({"sex"}),
            by_event=False,
            after=False,
            anew=anew,
            breaks_ties=competition.overall_tie == "best_places",
        )
        values = {
            "competition_id": self.id,
            "category_id": CATEGORIES[category],
            "sex": sex,
            "limit": 100,
        }
        row = await Database(OneConnection(self._connection)).row(statement, values)
        return {
            self._key(UUID(item["entry_id"])): (
                item["rank"],
                item["points"],
                {event["ordinal"]: event["place"] for event in item["events"]},
                {event["ordinal"]: event["points"] for event in item["events"]},
            )
            for item in json.loads(row["items"])
        }

    def entry(self, key: str) -> UUID:
        """Return the id of an entry."""
        return self._id(100 + int(key))

    def _key(self, entry_id: UUID) -> str:
        return str(entry_id.int % 10_000 - 100)

    def _event(self, ordinal: int) -> UUID:
        return self._id(ordinal)

    def _workout(self, event: Event) -> UUID:
        return self._id(event.ordinal)

    def _id(self, number: int) -> UUID:
        return UUID(int=self._number * 10_000 + number)

    async def _insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        await insert(self._connection, table, rows)


async def insert(connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows that have the same columns."""
    if rows:
        columns = ", ".join(rows[0])
        await connection.execute(
            f"INSERT INTO {table} ({columns})"  # noqa: S608 - names of this file
            f" SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1)",
            json.dumps(rows, default=str),
        )


@pytest.fixture
async def athletes(connection: Any) -> None:
    """Write the categories and athletes of all examples."""
    await insert(
        connection,
        "categories",
        [{"id": one, "name": f"C{one}", "name_key": f"c{one}", "version": 1} for one in CATEGORIES],
    )
    await insert(
        connection,
        "athletes",
        [
            {
                "id": UUID(int=number + 1),
                "name": NAMES[number % 4],
                "name_key": NAMES[number % 4],
                "sex": sex_of(number),
                "category_id": CATEGORIES[number % 2],
            }
            for number in range(9)
        ],
    )


def sex_of(number: int) -> str:
    """Return the sex of an athlete."""
    return SEXES[number // 2 % 2]


def known(numbers: Mapping[int, int | None]) -> dict[int, int]:
    """Return the numbers that are not None."""
    return {key: number for key, number in numbers.items() if number is not None}


EXTREMES = _competition(
    "place",
    "shared",
    [Event(1, Workout("time", "lowest", "time"))],
    [Entry(str(number), NAMES[number % 4], "0") for number in (0, 2, 4, 6, 8)],
    {
        0: Result("0", 1, time_ms=LARGEST),
        2: Result("2", 1, outcome="capped", reps=LARGEST, tie_break=0),
        4: Result("4", 1, outcome="capped", reps=0),
        6: Result("6", 1, "scaled", time_ms=0, tie_break=0),
        8: Result("8", 1, "foundations", time_ms=0, tie_break=0),
    },
)
"""The worst of each kind, before the best of the next one."""


@example(story=Story(EXTREMES, EXTREMES))
@settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=stories())
async def test_standings_are_those_of_the_oracle(
    connection: Any, athletes: None, story: Story
) -> None:
    stage = Stage(connection)
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await stage.set_up(story.before)
        await check(stage, story.before)
        await stage.change(story.after)
        await check(stage, story.after)
    finally:
        await savepoint.rollback()


async def check(stage: Stage, competition: Competition) -> None:
    """Compare the standings of both categories, and some entries of them, with the oracle."""
    told = expected(competition)
    for category in (0, 1):
        taking = [one for one in competition.entries if one.category == str(category)]
        found = await stage.standings(competition, category)
        assert found == {
            one.key: (told[one.key].rank, told[one.key].points, known(told[one.key].places))
            for one in taking
        }

        some = [one for one in taking if sex_of(int(one.key)) == "female"]
        for anew, source in ((False, told), (True, expected(only(competition, some)))):
            page = await stage.page(competition, category, "female", anew=anew)
            assert page == {
                one.key: (
                    source[one.key].rank,
                    source[one.key].points,
                    known(source[one.key].places),
                    known(source[one.key].points_by_event),
                )
                for one in some
            }


def only(competition: Competition, some: list[Entry]) -> Competition:
    """Return a competition as if only some entries were there."""
    keys = {one.key for one in some}
    return replace(
        competition,
        entries=tuple(some),
        results=tuple(result for result in competition.results if result.entry in keys),
    )
