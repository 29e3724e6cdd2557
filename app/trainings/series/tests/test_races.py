"""Series that change while their trainings do, on a database of their own."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest
from httpx import AsyncClient, Response

from app.conftest import API, Create, Json, lock_waiters
from app.core.db import transactions
from app.trainings.series.tests.conftest import FOUR, URL, Club, report
from app.trainings.tests.rules import broken_rules
from app.trainings.tests.test_races import together
from app.trainings.tests.test_rules import kind

pytestmark = pytest.mark.slow

ROUNDS = 4
LOCK_TRAINING = "SELECT FROM trainings WHERE id = $1 FOR NO KEY UPDATE"
LOCK_ATHLETE = "SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE"
STARTS_AT = "UPDATE trainings SET starts_at = $2, ends_at = $3 WHERE id = $1"
RULES = {
    "a training is as its series says, unless it was changed alone": """
        SELECT t.id FROM trainings t JOIN series s ON s.id = t.series_id
        WHERE t.status = 'scheduled' AND t.version = t.series_version
            AND (t.starts_at, t.ends_at - t.starts_at, t.capacity) <> (
                timezone('UTC', t.series_date + s.start), s.minutes * interval '1 minute',
                s.capacity
            )
    """,
    "a series has one training a day": """
        SELECT series_id, series_date FROM trainings WHERE status = 'scheduled'
        GROUP BY 1, 2 HAVING series_id IS NOT NULL AND count(*) > 1
    """,
}


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer a deadlock with 503: the lock order must prevent deadlocks."""
    monkeypatch.setattr(transactions, "RETRIES", 0)


@pytest.fixture
def client(pooled_client: AsyncClient) -> AsyncClient:
    return pooled_client


async def broken(other: asyncpg.Connection) -> list[str]:
    """Return the names of the violated rules of trainings and of series."""
    broken = [rule for rule, query in RULES.items() if await other.fetch(query)]
    return broken + await broken_rules(other)


async def test_two_changes_at_once_make_no_training_twice(
    club: Club, other: asyncpg.Connection
) -> None:
    series = await club.series()

    answers = await together(
        club.patch(series, ends_on="2100-01-31"),
        club.patch(series, ends_on="2100-01-31", weekdays=[1, 2, 3]),
        club.patch(series, start="19:00"),
    )

    assert answers == {"200": 3}
    assert len(await club.trainings()) == 12
    assert await broken(other) == []


async def test_a_change_waits_for_a_booking_in_progress_and_keeps_its_training(
    club: Club, other: asyncpg.Connection
) -> None:
    series, athlete = await club.series(), await club.athlete()
    training = (await club.trainings())[1]

    async with other.transaction():
        await other.execute(LOCK_ATHLETE, athlete)
        booked = asyncio.ensure_future(club.ask(training, athlete))
        await lock_waiters(other)
        changed = asyncio.ensure_future(club.patch(series, weekdays=[1]))
        await lock_waiters(other, 2)

    assert (await booked).status_code == 201
    assert report(await changed) == {"deleted": 1, "kept": ["01-06 booked"]}
    assert await broken(other) == []


async def test_a_change_of_a_series_and_of_one_of_its_trainings_use_one_lock_order(
    club: Club, other: asyncpg.Connection
) -> None:
    series = await club.series()
    training = (await club.trainings())[1]
    await club.client.patch(f"{API}/centres/{club.centre_id}", json={"capacity": 100})

    async with other.transaction():
        await other.execute(LOCK_TRAINING, training["id"])
        changed = asyncio.ensure_future(club.patch(series, start="19:00"))
        await lock_waiters(other)
        url = f"{API}/trainings/{training['id']}"
        alone = asyncio.ensure_future(club.client.patch(url, json={"capacity": 20}))
        await lock_waiters(other, 2)

    assert report(await changed) == {"changed": 4}
    assert (await alone).status_code == 200
    assert await club.times() == [
        "01-04T19:00",
        "01-06T19:00 alone",
        "01-11T19:00",
        "01-13T19:00",
    ]


async def test_a_training_that_changes_alone_meanwhile_is_kept(
    club: Club, other: asyncpg.Connection
) -> None:
    series = await club.series()
    training = (await club.trainings())[1]

    async with other.transaction():
        changed_alone = "UPDATE trainings SET version = version + 1 WHERE id = $1"
        await other.execute(changed_alone, training["id"])
        changed = asyncio.ensure_future(club.patch(series, start="19:00"))
        await lock_waiters(other)

    assert report(await changed) == {"changed": 3, "kept": ["01-06 changed_alone"]}


async def test_a_training_that_starts_while_a_change_waits_stays_as_it_was(
    club: Club, other: asyncpg.Connection
) -> None:
    series = await club.series(capacity=1)
    training, *_ = await club.trainings()
    _, place = await club.book(training, *await club.athletes(2))
    soon = datetime.now(UTC) + timedelta(seconds=1)
    await other.execute(STARTS_AT, training["id"], soon, soon + timedelta(hours=1))

    async with other.transaction():
        await other.execute(LOCK_ATHLETE, place["athlete"]["id"])
        changed = asyncio.ensure_future(
            club.patch(series, start="19:00", capacity=2, include_booked=True)
        )
        await lock_waiters(other)
        while datetime.now(UTC) < soon:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)

    assert report(await changed) == {"changed": 3}
    assert await club.statuses(training) == ["reserved", "waitlisted"]
    assert (await club.read(f"trainings/{training['id']}"))["version"] == 1


async def test_of_two_series_that_move_onto_one_time_at_once_one_does_not(
    club: Club, create: Create, other: asyncpg.Connection
) -> None:
    second = await create("centres", {"name": "Second"})
    here = await club.series()
    there = await club.series(start="06:00", centre_id=second["id"])
    athletes = await club.athletes(4)
    for number, training in enumerate(await club.trainings()):
        await club.book(training, *athletes[:: -1 if number % 2 else 1])

    async with other.transaction():
        await other.execute(LOCK_ATHLETE, athletes[2])
        moved = [
            asyncio.ensure_future(club.patch(series, start="12:00", include_booked=True))
            for series in (here, there)
        ]
        await lock_waiters(other, 2)

    assert sorted([kind(await one) or "" for one in moved]) == ["200", "409 athlete-busy"]
    assert await broken(other) == []
    for _ in range(ROUNDS):
        for start in ("15:00", "09:00"):
            answers = await together(
                *(
                    club.patch(series, start=start, include_booked=True)
                    for series in (here, there, here, there)
                )
            )
            assert set(answers) <= {"200", "409 athlete-busy"}
            assert await broken(other) == []


async def test_the_centre_keeps_its_time_zone_while_a_series_is_laid_out(
    club: Club, other: asyncpg.Connection
) -> None:
    series = await club.series()
    training = (await club.trainings())[0]
    centre = f"{API}/centres/{club.centre_id}"

    async with other.transaction():
        await other.execute(LOCK_TRAINING, training["id"])
        changed = asyncio.ensure_future(club.patch(series, name="Other"))
        await lock_waiters(other)
        zoned = asyncio.ensure_future(club.client.patch(centre, json={"time_zone": "Asia/Tokyo"}))
        await lock_waiters(other, 2)

    assert report(await changed) == {"changed": 4}
    assert (await zoned).status_code == 200
    assert await club.times() == FOUR


class Storm:
    """Two series of one centre, five athletes, and many clients with random requests."""

    def __init__(self, club: Club, all_series: list[Json], athletes: list[str]) -> None:
        self.club, self.all_series, self.athletes = club, all_series, athletes
        self.bookings: list[Json] = []
        self.sizes = count(3)  # seats are not taken away

    async def take(self, chance: random.Random) -> Response | None:
        """Send one random request."""
        club = self.club
        series = chance.choice(self.all_series)
        choices: dict[str, tuple[int, Callable[[], Any]]] = {
            "time": (6, lambda: club.patch(series, **self.time(chance), include_booked=True)),
            "days": (3, lambda: club.patch(series, **self.days(chance), include_booked=True)),
            "size": (1, lambda: club.patch(series, **self.size(), include_booked=True)),
            "cancel": (1, lambda: self.cancel(series, chance)),
            "book": (12, lambda: self.book(chance)),
            "give up": (5, lambda: self.give_up(chance)),
            "move": (2, lambda: self.alter(chance)),
            "drop": (1, lambda: self.drop(chance)),
        }
        (name,) = chance.choices(list(choices), [often for often, _ in choices.values()])
        answer: Response | None = await choices[name][1]()
        return answer

    @staticmethod
    def time(chance: random.Random) -> Json:
        return {
            "start": chance.choice(["18:00", "19:00", "20:00"]),
            "minutes": chance.choice([60, 90]),
        }

    @staticmethod
    def days(chance: random.Random) -> Json:
        return {
            "weekdays": chance.choice([[1, 3], [1, 2, 3]]),
            "ends_on": chance.choice(["2100-01-14", "2100-01-20"]),
        }

    def size(self) -> Json:
        return {"capacity": next(self.sizes)}

    async def cancel(self, series: Json, chance: random.Random) -> Response:
        since = chance.choice(["2100-01-12", "2100-01-14"])
        return await self.club.client.post(f"{URL}/{series['id']}/cancel", json={"from": since})

    async def book(self, chance: random.Random) -> Response:
        training = chance.choice(await self.club.trainings())
        answer = await self.club.ask(training, chance.choice(self.athletes))
        if answer.status_code == 201:
            self.bookings.append(answer.json())
        return answer

    async def give_up(self, chance: random.Random) -> Response | None:
        if not self.bookings:
            return None
        return await self.club.act(chance.choice(self.bookings), "cancel")

    async def alter(self, chance: random.Random) -> Response:
        training = chance.choice(await self.club.trainings())
        hour = chance.choice(range(9, 21))
        times = {
            "starts_at": f"{training['starts_at'][:10]}T{hour:02}:00:00Z",
            "ends_at": f"{training['starts_at'][:10]}T{hour + 1:02}:00:00Z",
        }
        url = f"{API}/trainings/{training['id']}"
        return await self.club.client.patch(url, json=times)

    async def drop(self, chance: random.Random) -> Response:
        training = chance.choice(await self.club.trainings())
        return await self.club.client.post(f"{API}/trainings/{training['id']}/cancel")


async def test_every_rule_holds_during_concurrent_requests(
    club: Club, other: asyncpg.Connection
) -> None:
    await club.client.patch(f"{API}/centres/{club.centre_id}", json={"capacity": 60})
    all_series = [
        await club.series(capacity=2, start=start, name=start) for start in ("18:00", "20:00")
    ]
    world = Storm(club, all_series, await club.athletes(5))
    answers: Counter[str | None] = Counter()
    chance = random.Random()  # noqa: S311 - no secret

    async def client_does() -> None:
        for _ in range(6):
            answers[kind(await world.take(chance))] += 1

    storm = asyncio.gather(*(client_does() for _ in range(40)))
    samples = 0
    while not storm.done():
        assert await broken(other) == []
        samples += 1
    await storm

    assert await broken(other) == []
    assert samples > 2
    assert {answer[0] for answer in answers if answer} == {"2", "4"}
    assert answers["200"] > 20
    assert answers["201"] > 20
