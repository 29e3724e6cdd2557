"""A series under random changes, compared with a model."""

import datetime as dt
from itertools import count
from typing import Any

import pytest
from httpx import AsyncClient, Response
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.conftest import API, Create, Json
from app.trainings.series.tests.conftest import REPORT, URL, Club
from app.trainings.series.tests.model import DAY, INVALID, OK, Model, Pattern, Training
from app.trainings.tests.conftest import at
from app.trainings.tests.test_rules import kind

pytestmark = pytest.mark.slow

ROOM = 6
DAYS = range(-3, 18)
"""The days around the present, from the Monday of this week on, that tests choose from."""

some = st.integers(0, 30)
names = st.sampled_from(["WOD", "Yoga"])
sizes = st.integers(1, 4)
days = st.sampled_from(DAYS)
hours = st.integers(0, 23)
weekdays = st.sets(st.integers(1, 7), min_size=1).map(frozenset)
fields = st.fixed_dictionaries(
    {},
    optional={
        "name": names,
        "capacity": sizes,
        "weekdays": weekdays,
        "start": hours,
        "minutes": st.sampled_from([60, 600, 1440]),
        "last": days,
        "skip": st.sets(days, max_size=3).map(frozenset),
    },
)
STEPS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "change": st.tuples(fields, st.booleans()),
    "cancel": st.tuples(days),
    "rename": st.tuples(some, names),
    "resize": st.tuples(some, sizes),
    "move": st.tuples(some, st.integers(-30, 30)),
    "drop": st.tuples(some),
    "remove": st.tuples(some),
    "book": st.tuples(some, st.integers(0, 2)),
    "give_up": st.tuples(some, some),
    "wait": st.tuples(st.integers(1, 3)),
}
OFTEN = [*STEPS, *["change"] * 6, *["book"] * 6]
steps = st.lists(
    st.sampled_from(OFTEN).flatmap(lambda name: st.tuples(st.just(name), STEPS[name])),
    min_size=8,
    max_size=16,
)

A_DAY_PASSES = """
    ALTER TABLE trainings DISABLE TRIGGER still_at_once;
    UPDATE trainings SET starts_at = starts_at - interval '1 day',
        ends_at = ends_at - interval '1 day', series_date = series_date - 1;
    ALTER TABLE trainings ENABLE TRIGGER still_at_once;
    UPDATE series SET starts_on = starts_on - 1, ends_on = ends_on - 1,
        skip = ARRAY(SELECT day - 1 FROM unnest(skip) day),
        weekdays = ARRAY(SELECT (day + 5) % 7 + 1 FROM unnest(weekdays) day ORDER BY 1);
"""
"""Everything moves a day into the past."""


class World:
    """A club with a series, and its model; takes each step in both."""

    def __init__(self, club: Club, connection: Any) -> None:
        self.club, self.connection = club, connection
        today = club.opened.date()
        monday = today - dt.timedelta(days=today.weekday())
        self.monday = dt.datetime.combine(monday, dt.time(), dt.UTC)
        self.passed = 0
        # No start of a training is near the present.
        self.minute = (club.opened.minute + 30) % 60
        self.athletes: list[str] = []
        self.rows: dict[int, Json] = {}

    @classmethod
    async def begin(cls, club: Club, connection: Any) -> "World":
        """Create the series and a training beside it."""
        world = cls(club, connection)
        await club.client.patch(f"{API}/centres/{club.centre_id}", json={"capacity": ROOM})
        world.athletes = await club.athletes(3)
        pattern = Pattern(
            "WOD", 2, frozenset({1, 3, 5, 6}), 10 * 60 + world.minute, 60, 0, 13, frozenset()
        )
        now = int((club.opened - world.monday).total_seconds()) // 60
        start = 9 * DAY + 12 * 60 + world.minute
        beside = Training(None, start, start + 60, "Open", 2)
        trainings = [beside, *map(pattern.training, pattern.days())]
        world.model = Model(ROOM, now, pattern, trainings)
        await club.training(name="Open", capacity=2, **world.times(beside))
        body = {**world.body(vars(pattern)), "starts_on": world.date(pattern.first)}
        world.series = await club.series(**body)
        return world

    model: Model
    series: Json

    def date(self, day: int) -> str:
        """Return the date that a day has now."""
        return str((self.monday + dt.timedelta(days=day - self.passed)).date())

    def time(self, minute: int) -> str:
        """Return the time that a minute has now."""
        return at(self.monday + dt.timedelta(minutes=minute - self.passed * DAY))

    def times(self, training: Training) -> Json:
        """Return the times of a training."""
        return {"starts_at": self.time(training.start), "ends_at": self.time(training.end)}

    def body(self, given: dict[str, Any]) -> Json:
        """Return the fields of a series as the service has them."""
        body: Json = {
            name: given[name] for name in ("name", "capacity", "minutes") if name in given
        }
        if "weekdays" in given:
            body["weekdays"] = [(day - 1 - self.passed) % 7 + 1 for day in given["weekdays"]]
        if "start" in given:
            body["start"] = "{:02}:{:02}".format(*divmod(given["start"], 60))
        if "last" in given:
            body["ends_on"] = self.date(given["last"])
        if "skip" in given:
            body["skip"] = [self.date(day) for day in given["skip"]]
        return body

    async def take(self, name: str, what: tuple[Any, ...]) -> None:
        """Take a step in the service and in the model, and compare the responses."""
        match name, what:
            case "wait", (number,):
                for _ in range(number):
                    await self.connection.execute(A_DAY_PASSES)
                self.passed += number
                self.model.now += number * DAY
            case "change", (given, include_booked):
                given = {**given}
                if "start" in given:
                    given["start"] = given["start"] * 60 + self.minute
                sent = {**self.body(given), "include_booked": include_booked}
                answer = await self.club.patch(self.series, **sent)
                expected = self.model.change(given, include_booked=include_booked)
                self.compare(answer, expected)
            case "cancel", (day,):
                url = f"{URL}/{self.series['id']}/cancel"
                answer = await self.club.client.post(url, json={"from": self.date(day)})
                self.compare(answer, self.model.cancel(day))
            case _, (number, *more):
                if self.model.trainings:
                    await self.act(name, number % len(self.model.trainings), *more)

    async def act(self, name: str, number: int, *what: Any) -> None:
        """Take a step with one training."""
        model, training = self.model, self.model.trainings[number]
        row = self.rows[id(training)]
        client, url = self.club.client, f"{API}/trainings/{row['id']}"
        is_ahead = training.start > model.now
        match name, what:
            case "rename", (new,):
                answer = await client.patch(url, json={"name": new})
                expected = model.rename(training, new)
            case "resize", (capacity,):
                answer = await client.patch(url, json={"capacity": capacity})
                expected = model.resize(training, capacity)
            case "move", (hour,) if is_ahead and training.scheduled:
                start = training.start + hour * 60
                length = training.end - training.start
                times = {"starts_at": self.time(start), "ends_at": self.time(start + length)}
                answer = await client.patch(url, json=times)
                expected = model.move(training, start)
            case "drop", _:
                answer = await client.post(f"{url}/cancel")
                expected = model.drop(training)
            case "remove", _:
                answer = await client.delete(url)
                expected = model.remove(training)
            case "book", (athlete,) if is_ahead and athlete not in training.seats + training.line:
                answer = await self.club.ask(row, self.athletes[athlete])
                expected = model.book(training, athlete)
            case "give_up", (which,) if is_ahead and training.booked:
                there = training.seats + training.line
                athlete = there[which % len(there)]
                page = await self.club.read(f"trainings/{row['id']}/bookings?limit=100")
                (booking,) = [
                    one
                    for one in page["items"]
                    if one["athlete"]["id"] == self.athletes[athlete]
                    and one["status"] != "cancelled"
                ]
                answer = await self.club.act(booking, "cancel")
                expected = model.give_up(training, athlete)
            case _:
                return
        assert kind(answer) == expected, (name, what, training)

    def compare(self, response: Response, expected: str) -> None:
        """Compare the response to a change of the series."""
        assert kind(response) == expected, response.text
        if expected == OK:
            body = response.json()
            done = {name: body[name] for name in REPORT[:4] if body[name]}
            kept = sorted((one["date"], one["reason"]) for one in body["kept"])
            told = dict(self.model.report)
            there = sorted((self.date(day), reason) for day, reason in told.pop("kept", []))
            assert (done, kept) == (told, there)
            for name, value in self.body(vars(self.model.pattern)).items():
                same = sorted(value) if isinstance(value, list) else value
                assert body[name] == same

    async def check(self) -> None:
        """Compare all trainings, and remember which one is which."""
        page = await self.club.read("trainings?limit=100")
        assert page["next"] is None
        found = [(self.seen(one), one) for one in page["items"]]
        told = [(self.told(one), one) for one in self.model.trainings]
        found.sort(key=lambda pair: pair[0])
        told.sort(key=lambda pair: pair[0])
        assert [seen for seen, _ in found] == [seen for seen, _ in told]
        self.rows = {id(one): row for (_, row), (_, one) in zip(found, told, strict=True)}

    @staticmethod
    def seen(row: Json) -> tuple[Any, ...]:
        """Return what is compared of a training."""
        seats = row["seats"]
        return (
            row["starts_at"],
            row["ends_at"],
            row["status"],
            row["changed_alone"],
            row["name"],
            row["series_id"] is None,
            seats["capacity"],
            seats["taken"],
            seats["waiting"],
        )

    def told(self, training: Training) -> tuple[Any, ...]:
        """Return what is compared of a training in the model."""
        return (
            self.time(training.start),
            self.time(training.end),
            training.status,
            training.alone,
            training.name,
            training.day is None,
            training.capacity,
            len(training.seats),
            len(training.line),
        )


count_worlds = count(1)


@settings(
    max_examples=15,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=steps)
async def test_a_series_and_its_trainings_match_the_model(
    client: AsyncClient,
    create: Create,
    connection: Any,
    taken: list[tuple[str, tuple[Any, ...]]],
) -> None:
    await connection.execute("DELETE FROM bookings; DELETE FROM trainings; DELETE FROM series")
    club = await Club.opened_by(client, create, f"World {next(count_worlds)}")
    assert isinstance(club, Club)
    world = await World.begin(club, connection)

    await world.check()
    for name, what in taken:
        await world.take(name, what)
        await world.check()


def test_the_model_refuses_an_end_before_the_first_day() -> None:
    pattern = Pattern("WOD", 2, frozenset({1}), 600, 60, 0, 6, frozenset())

    assert Model(ROOM, 0, pattern, []).change({"last": -1}, include_booked=False) == INVALID
