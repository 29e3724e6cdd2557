"""Bookings and trainings that change at the same time, on a database of their own."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from httpx import AsyncClient, Limits, Response

from app.commands.database import database_url
from app.commands.prove.service import running_service
from app.conftest import API, Json, lock_waiters, patient, problem, served
from app.core.db import transactions
from app.identity.tests.callers import ADMIN
from app.trainings.tests.conftest import HOUR, SOON, Gym, add_role, at
from app.trainings.tests.rules import broken_rules

pytestmark = pytest.mark.slow

ROUNDS = 5


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer a deadlock with 503: the lock order must prevent deadlocks."""
    monkeypatch.setattr(transactions, "RETRIES", 0)


@pytest.fixture
def client(pooled_client: AsyncClient) -> AsyncClient:
    return pooled_client


async def together(*requests: Awaitable[Response]) -> Counter[str]:
    """Send requests at once; count the responses by status code, and by problem type if any."""
    answers = await asyncio.gather(*requests)
    return Counter(
        " ".join([str(answer.status_code), answer.json()["type"].rpartition("/")[2]])
        if answer.status_code >= 400
        else str(answer.status_code)
        for answer in answers
    )


class TestOneTraining:
    """Ten seats, three athletes who wait, two hundred who book, two workers."""

    @asynccontextmanager
    async def service(self, url: str) -> AsyncIterator[AsyncClient]:
        with (
            tempfile.TemporaryFile("a+") as log,
            database_url(url),
            running_service(log, "--workers=2") as service,
        ):
            limits = Limits(max_connections=200)
            async with AsyncClient(
                base_url=service.url,
                headers=ADMIN.headers,
                limits=limits,
                timeout=60,
                trust_env=False,
            ) as client:
                yield client

    async def test_of_200_concurrent_bookings_six_get_seats_after_the_waitlist_got_three(
        self, own_database: str, other: asyncpg.Connection
    ) -> None:
        async with self.service(own_database) as client:

            async def create(collection: str, payload: Json) -> Json:
                created: Json = (await client.post(f"{API}/{collection}", json=payload)).json()
                return created

            async def bookings() -> list[Json]:
                found: list[Json] = []
                following: str | None = f"{url}?limit=100"
                while following:
                    page = (await client.get(following)).json()
                    found += page["items"]
                    following = page["next"]
                return found

            gym = await Gym.opened_by(client, create)
            # Three are first in the waitlist: they were busy when more seats were added.
            training, beside = await gym.training(capacity=1), await gym.training()
            url = f"{API}/trainings/{training['id']}/bookings"
            seat, *line = await gym.book(training, *await gym.athletes(4))
            busy = await gym.book(beside, *(one["athlete"]["id"] for one in line))
            await client.patch(f"{API}/trainings/{training['id']}", json={"capacity": 10})
            await together(*(gym.act(one, "cancel") for one in busy))
            assert await gym.seats(training) == (10, 1, 3, 9)
            athletes = await asyncio.gather(*(gym.athlete() for _ in range(200)))

            answers = await together(*(gym.ask(training, athlete) for athlete in athletes))

            booked = await bookings()
            assert answers == {"201": 200}
            assert [one["id"] for one in booked[:4]] == [one["id"] for one in (seat, *line)]
            assert [one["status"] for one in booked] == ["reserved"] * 10 + ["waitlisted"] * 194
            assert len({one["booked_at"] for one in booked}) == 204
            assert await gym.seats(training) == (10, 10, 194, 0)

            cancelled = await together(*(gym.act(one, "cancel") for one in booked[:10]))

            after = await bookings()
            assert cancelled == {"200": 10}
            assert [one["id"] for one in after] == [one["id"] for one in booked]
            assert [one["status"] for one in after] == (
                ["cancelled"] * 10 + ["reserved"] * 10 + ["waitlisted"] * 184
            )
            versions = [2] + [3] * 3 + [2] * 16 + [1] * 184
            assert [one["version"] for one in after] == versions
            assert await gym.seats(training) == (10, 10, 184, 0)
            assert await broken_rules(other) == []


class TestOneAthlete:
    async def test_concurrent_bookings_of_one_training_make_one_booking(self, gym: Gym) -> None:
        training, athlete = await gym.training(capacity=1), await gym.athlete()

        answers = await together(*(gym.ask(training, athlete) for _ in range(20)))

        assert answers == {"201": 1, "409 already-taken": 19}
        assert await gym.seats(training) == (1, 1, 0, 0)

    async def test_concurrent_bookings_of_overlapping_trainings_give_one_seat(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        trainings = [await gym.training(SOON + number * HOUR / 20) for number in range(10)]
        for _ in range(ROUNDS):
            athlete = await gym.athlete()

            answers = await together(*(gym.ask(training, athlete) for training in trainings))

            assert answers == {"201": 1, "409 athlete-busy": 9}
        assert await broken_rules(other) == []

    async def test_the_first_in_two_overlapping_waitlists_gets_one_seat(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        for _ in range(ROUNDS):
            trainings = [await gym.training(capacity=1) for _ in range(2)]
            seats = [(await gym.book(one, await gym.athlete()))[0] for one in trainings]
            first, second = await gym.athletes(2)
            for training in trainings:
                await gym.book(training, first, second)

            answers = await together(*(gym.act(seat, "cancel") for seat in seats))

            assert answers == {"200": 2}
            states = [await gym.statuses(training) for training in trainings]
            assert sorted(states) == [
                ["cancelled", "reserved", "waitlisted"],
                ["cancelled", "waitlisted", "reserved"],
            ]
        assert await broken_rules(other) == []

    async def test_a_waiting_athlete_who_books_elsewhere_meanwhile_is_skipped(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        training, beside = await gym.training(capacity=1), await gym.training()
        seat, place, last = await gym.book(training, *await gym.athletes(3))
        athlete = place["athlete"]["id"]

        async with other.transaction():
            await other.execute("SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE", athlete)
            elsewhere = asyncio.ensure_future(gym.ask(beside, athlete))
            await lock_waiters(other)
            cancelled = asyncio.ensure_future(gym.act(seat, "cancel"))
            await lock_waiters(other, 2)

        assert ((await elsewhere).status_code, (await cancelled).status_code) == (201, 200)
        assert await gym.statuses(training) == ["cancelled", "waitlisted", "reserved"]
        assert (await gym.read(f"bookings/{last['id']}"))["status"] == "reserved"

    @pytest.mark.parametrize(
        ("way", "status", "after"),
        [
            ("cancel", 409, ["reserved", "waitlisted"]),
            ("resize", 200, ["reserved", "waitlisted"]),
            ("move", 409, ["reserved", "waitlisted"]),
            ("book", 201, ["reserved", "waitlisted", "checked_in"]),
        ],
    )
    async def test_no_athlete_is_promoted_or_moved_if_a_lock_is_released_after_the_start(
        self, gym: Gym, other: asyncpg.Connection, way: str, status: int, after: list[str]
    ) -> None:
        training, new = await gym.training(capacity=1), await gym.athlete()
        seat, place = await gym.book(training, *await gym.athletes(2))
        url = f"{API}/trainings/{training['id']}"
        capacity = 2 if way == "book" else 1
        await other.execute(
            "UPDATE trainings SET starts_at = now() + interval '0.3 s', capacity = $1", capacity
        )
        changes = {
            "cancel": lambda: gym.act(seat, "cancel"),
            "resize": lambda: gym.client.patch(url, json={"capacity": 2}),
            "move": lambda: gym.client.patch(url, json={"ends_at": at(gym.opened + 2 * HOUR)}),
            "book": lambda: gym.ask(training, new),
        }

        async with other.transaction():
            await other.execute(
                "SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE", place["athlete"]["id"]
            )
            changed = asyncio.ensure_future(changes[way]())
            await lock_waiters(other)
            await asyncio.sleep(0.4)

        assert (await changed).status_code == status
        assert await gym.statuses(training) == after


class TestLine:
    """Athletes in the waitlist, who get a free seat before somebody new."""

    async def waiting(self, gym: Gym) -> tuple[Json, Json, Json]:
        """Return a training with a free seat, the booking that waits, and its other seat."""
        training, beside = await gym.training(capacity=1), await gym.training()
        seat, place = await gym.book(training, *await gym.athletes(2))
        (elsewhere,) = await gym.book(beside, place["athlete"]["id"])
        await gym.acted(seat, "cancel")
        return training, place, elsewhere

    async def test_an_athlete_who_books_elsewhere_meanwhile_is_passed_over(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        training, place, elsewhere = await self.waiting(gym)
        await gym.acted(elsewhere, "cancel")
        beside, athlete = await gym.training(), place["athlete"]["id"]
        new = await gym.athlete()

        async with other.transaction():
            await other.execute("SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE", athlete)
            taken = asyncio.ensure_future(gym.ask(beside, athlete))
            await lock_waiters(other)
            booked = asyncio.ensure_future(gym.ask(training, new))
            await lock_waiters(other, 2)

        assert ((await taken).status_code, (await booked).status_code) == (201, 201)
        assert await gym.statuses(training) == ["cancelled", "waitlisted", "reserved"]
        assert await broken_rules(other) == []

    @pytest.mark.parametrize("way", ["book", "move"])
    async def test_athletes_are_locked_in_the_order_of_their_ids(
        self, gym: Gym, other: asyncpg.Connection, way: str
    ) -> None:
        training, place, elsewhere = await self.waiting(gym)
        await gym.acted(elsewhere, "cancel")
        first, last = place["athlete"]["id"], await gym.athlete()
        if way == "move":
            await gym.book(training, last)
        # Its row is now behind the other one in the table.
        await gym.client.patch(f"{API}/athletes/{first}", json={"name": "New"})
        later = {"ends_at": at(gym.opened + 2 * HOUR)}
        free = "SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED"

        async with other.transaction():
            await other.execute("SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE", first)
            answer = asyncio.ensure_future(
                gym.ask(training, last)
                if way == "book"
                else gym.client.patch(f"{API}/trainings/{training['id']}", json=later)
            )
            await lock_waiters(other)
            assert len(await other.fetch(free, last)) == 1

        assert (await answer).is_success

    async def test_concurrent_bookings_and_cancellations_leave_no_free_seat_beside_it(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        for _ in range(ROUNDS):
            training, _, elsewhere = await self.waiting(gym)
            (last,) = await gym.book(training, await gym.athlete())
            asked = [gym.ask(training, one) for one in await gym.athletes(3)]

            answers = await together(
                asked[0], gym.act(elsewhere, "cancel"), asked[1], gym.act(last, "cancel"), asked[2]
            )

            assert answers == {"200": 2, "201": 3}
            assert (await gym.seats(training))[1] == 1
            assert await broken_rules(other) == []
            await gym.client.post(f"{API}/trainings/{training['id']}/cancel")

    async def test_concurrent_scans_of_a_walk_in_give_one_seat(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        known = await add_role(other, gym, "device", scopes=["checkin", "trainings:write"])
        for number in range(ROUNDS):
            training = await gym.training(capacity=1)
            await gym.athlete(reference=f"M-{number}", centre_ids=[gym.centre_id])
            url = f"{API}/trainings/{training['id']}/check-in"
            scans = [
                gym.client.post(url, json={"reference": f"M-{number}"}, headers=known.headers)
                for _ in range(4)
            ]

            answers = await asyncio.gather(*scans)

            assert [answer.status_code for answer in answers] == [200] * 4
            assert len({answer.content for answer in answers}) == 1
            assert await gym.seats(training) == (1, 1, 0, 0)
        assert await broken_rules(other) == []


class TestMoves:
    """Trainings that are moved while their athletes book others."""

    @pytest.fixture
    async def second(self, own_database: str) -> AsyncIterator[AsyncClient]:
        """Provide a client of another app with a pool of its own."""
        async with served(patient(own_database), 6) as client:
            yield client

    @pytest.fixture
    async def in_order(self, own_database: str) -> AsyncIterator[asyncpg.Connection]:
        """Provide a connection that takes locks in their order."""
        connection = await asyncpg.connect(own_database)
        yield connection
        await connection.close()

    def to(self, gym: Gym, start: timedelta) -> Json:
        return {"starts_at": at(gym.opened + start), "ends_at": at(gym.opened + start + HOUR)}

    async def test_nobody_has_two_seats_after_concurrent_moves_and_bookings(
        self, gym: Gym, second: AsyncClient, other: asyncpg.Connection
    ) -> None:
        outcomes: Counter[str] = Counter()
        for _ in range(2 * ROUNDS):
            trainings = [await gym.training(number * 2 * HOUR + SOON) for number in range(3)]
            athletes = await gym.athletes(4)
            await gym.book(trainings[0], *athletes)
            urls = [f"{API}/trainings/{training['id']}" for training in trainings]
            moves = [
                second.patch(urls[0], json=self.to(gym, SOON + 2 * HOUR)),
                gym.client.patch(urls[2], json=self.to(gym, SOON + 2 * HOUR)),
            ]
            booked = [
                client.post(f"{urls[number]}/bookings", json={"athlete_id": athlete})
                for client, number in ((gym.client, 1), (second, 2))
                for athlete in athletes
            ]

            outcomes += await together(*booked[:2], *moves, *booked[2:])

            assert await broken_rules(other) == []
            for url in urls:
                await gym.client.post(f"{url}/cancel")
        assert outcomes.keys() == {"200", "201", "409 athlete-busy"}

    async def test_a_move_waits_for_an_athlete_who_books_elsewhere(
        self, gym: Gym, second: AsyncClient, other: asyncpg.Connection
    ) -> None:
        training, later = await gym.training(), await gym.training(2 * HOUR)
        (booking,) = await gym.book(training, await gym.athlete())
        athlete = booking["athlete"]["id"]
        url = f"{API}/trainings/{training['id']}"

        async with other.transaction():
            await other.execute("SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE", athlete)
            elsewhere = asyncio.ensure_future(gym.ask(later, athlete))
            await lock_waiters(other)
            moved = asyncio.ensure_future(second.patch(url, json=self.to(gym, 2 * HOUR)))
            await lock_waiters(other, 2)

        assert (await elsewhere).status_code == 201
        assert problem(await moved) == (409, "/problems/athlete-busy", [("/starts_at", "busy")])
        assert (await gym.read(f"trainings/{training['id']}"))["starts_at"] == training["starts_at"]

    async def test_concurrent_moves_between_two_centres_and_a_resize_all_succeed(
        self, gym: Gym, second: AsyncClient, other: asyncpg.Connection
    ) -> None:
        hall = await gym.create("centres", {"name": "Second", "capacity": 10})
        await gym.client.patch(f"{API}/centres/{gym.centre_id}", json={"capacity": 10})
        trainings = [
            await gym.training(capacity=4, centre_id=centre)
            for centre in (gym.centre_id, hall["id"])
        ]
        for training in trainings:
            await gym.book(training, *await gym.athletes(5))
        urls = [f"{API}/trainings/{training['id']}" for training in trainings]
        for number in range(ROUNDS):
            here, there = (gym.centre_id, hall["id"])[:: 1 if number % 2 else -1]

            answers = await together(
                gym.client.patch(urls[0], json={"centre_id": here}),
                second.patch(urls[1], json={"centre_id": there}),
                gym.client.patch(urls[0], json={"capacity": 3 + number % 2}),
                second.patch(urls[1], json={"capacity": 4 - number % 2}),
                gym.client.patch(urls[1], json={"centre_id": here}),
                second.patch(urls[0], json={"centre_id": there}),
            )

            assert answers == {"200": 6}
            assert await broken_rules(other) == []

    async def test_a_resize_of_a_training_that_leaves_meanwhile_locks_the_new_centre_first(
        self,
        gym: Gym,
        second: AsyncClient,
        other: asyncpg.Connection,
        in_order: asyncpg.Connection,
    ) -> None:
        hall = await gym.create("centres", {"name": "Second", "capacity": 5})
        training = await gym.training(capacity=4)
        await gym.book(training, await gym.athlete())
        url = f"{API}/trainings/{training['id']}"
        lock_training = "SELECT FROM trainings WHERE id = $1 FOR NO KEY UPDATE"
        lock_centre = "SELECT FROM centres WHERE id = $1 FOR NO KEY UPDATE"

        async with in_order.transaction():
            async with other.transaction():
                await other.execute(lock_training, training["id"])
                moved = asyncio.ensure_future(second.patch(url, json={"centre_id": hall["id"]}))
                await lock_waiters(other)
                larger = asyncio.ensure_future(gym.client.patch(url, json={"capacity": 6}))
                await lock_waiters(other, 2)
                locked = asyncio.ensure_future(in_order.execute(lock_centre, hall["id"]))
                await lock_waiters(other, 3)
            await locked
            await lock_waiters(other)
            await in_order.execute(lock_training, training["id"])  # no deadlock

        assert (await moved).status_code == 200
        assert problem(await larger) == (409, "/problems/centre-full", [("/capacity", "at_once")])
        assert await broken_rules(other) == []


class TestTraining:
    async def test_bookings_fit_a_capacity_that_is_reduced_concurrently(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        for _ in range(ROUNDS):
            training = await gym.training(capacity=6)
            url = f"{API}/trainings/{training['id']}"
            asked = [gym.ask(training, athlete) for athlete in await gym.athletes(6)]
            shrunk = [gym.client.patch(url, json={"capacity": size}) for size in (5, 4, 3)]

            answers = await together(*asked[:3], *shrunk, *asked[3:])

            assert answers == {"200": 3, "201": 6}
            seats = (await gym.read(f"trainings/{training['id']}"))["seats"]
            assert seats["over"] == max(seats["taken"] - seats["capacity"], 0)
            assert seats["taken"] + seats["waiting"] == 6
            assert await broken_rules(other) == []

    async def test_cancelling_it_also_cancels_concurrent_bookings(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        for _ in range(ROUNDS):
            training = await gym.training(capacity=3)
            athletes = await gym.athletes(6)
            await gym.book(training, *athletes[:3])

            answers = await together(
                gym.client.post(f"{API}/trainings/{training['id']}/cancel"),
                *(gym.ask(training, athlete) for athlete in athletes[3:]),
            )

            assert answers["200"] == 1
            assert answers["201"] + answers["409 wrong-state"] == 3
            assert set(await gym.statuses(training)) == {"cancelled"}
        assert await broken_rules(other) == []

    async def test_a_concurrent_delete_or_booking_succeeds_but_not_both(self, gym: Gym) -> None:
        for _ in range(ROUNDS):
            training = await gym.training()
            url = f"{API}/trainings/{training['id']}"
            athlete = await gym.athlete()

            deleted, booked = await asyncio.gather(
                gym.client.delete(url), gym.ask(training, athlete)
            )

            outcome = deleted.status_code, booked.status_code
            assert outcome in {(204, 404), (409, 201)}

    async def test_a_booking_has_the_right_time_after_a_concurrent_move(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        for _ in range(ROUNDS):
            training = await gym.training()
            move = {"starts_at": at(gym.opened + SOON + HOUR / 2)}
            url = f"{API}/trainings/{training['id']}"
            athlete = await gym.athlete()

            moved, booked = await asyncio.gather(
                gym.client.patch(url, json=move), gym.ask(training, athlete)
            )

            assert booked.status_code == 201
            assert moved.status_code == 200
            found = await gym.read(f"bookings/{booked.json()['id']}")
            assert found["training"]["starts_at"] == move["starts_at"]
        assert await broken_rules(other) == []

    async def test_a_check_in_and_concurrent_undoing_make_one_event_each(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        for _ in range(ROUNDS):
            training = await gym.training()
            (booking,) = await gym.book(training, await gym.athlete())
            await gym.acted(booking, "check-in")

            answers = await together(*(gym.act(booking, "undo-check-in") for _ in range(4)))

            assert answers == {"200": 4}
            assert (await gym.read(f"bookings/{booking['id']}"))["version"] == 3
        assert await broken_rules(other) == []

    async def test_an_undone_check_in_of_a_booking_that_is_cancelled_meanwhile_is_refused(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await gym.acted(booking, "check-in")

        async with other.transaction():
            await other.execute(
                "SELECT FROM bookings WHERE id = $1 FOR NO KEY UPDATE", booking["id"]
            )
            cancelled = asyncio.ensure_future(gym.act(booking, "cancel"))
            await lock_waiters(other)
            undone = asyncio.ensure_future(gym.act(booking, "undo-check-in"))
            await lock_waiters(other, 2)

        assert ((await cancelled).status_code, (await undone).status_code) == (200, 409)
        assert await gym.statuses(training) == ["cancelled"]
        assert await broken_rules(other) == []

    async def test_a_concurrent_check_in_and_cancel_end_in_a_cancelled_booking(
        self, gym: Gym
    ) -> None:
        for _ in range(ROUNDS):
            training = await gym.training()
            (booking,) = await gym.book(training, await gym.athlete())

            answers = await together(gym.act(booking, "check-in"), gym.act(booking, "cancel"))

            assert answers in ({"200": 2}, {"200": 1, "409 wrong-state": 1})
            assert await gym.statuses(training) == ["cancelled"]
            assert await gym.seats(training) == (10, 0, 0, 10)


class TestCentre:
    async def test_concurrent_trainings_are_scheduled_up_to_its_capacity(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        centre = f"{API}/centres/{gym.centre_id}"
        await gym.client.patch(centre, json={"capacity": 20})

        answers = await together(
            *(gym.client.post(f"{API}/trainings", json=gym.plan(capacity=5)) for _ in range(20))
        )

        assert answers == {"201": 4, "409 centre-full": 16}
        assert await broken_rules(other) == []

    async def test_a_concurrent_reduction_or_training_succeeds_but_not_both(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        centre = f"{API}/centres/{gym.centre_id}"
        for number in range(ROUNDS):
            await gym.client.patch(centre, json={"capacity": None})

            answers = await together(
                gym.client.patch(centre, json={"capacity": 9}),
                gym.client.post(f"{API}/trainings", json=gym.plan(number * 2 * HOUR)),
            )

            assert sum(answers.values()) == 2
            assert answers["409 centre-full"] == 1
            assert await broken_rules(other) == []
            if answers["201"]:  # it would take room in the next round
                (planned,) = (await gym.read("trainings?sort=-starts_at&limit=1"))["items"]
                await gym.client.delete(f"{API}/trainings/{planned['id']}")

    async def test_deleting_it_and_moving_its_training_use_one_lock_order(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        training = await gym.training()
        url, centre = f"{API}/trainings/{training['id']}", f"{API}/centres/{gym.centre_id}"

        async with other.transaction():
            await other.execute("SELECT FROM centres WHERE id = $1 FOR UPDATE", gym.centre_id)
            deleted = asyncio.ensure_future(gym.client.delete(centre))
            await lock_waiters(other)
            moved = asyncio.ensure_future(gym.client.patch(url, json={"starts_at": at(gym.opened)}))
            await lock_waiters(other, 2)

        assert ((await deleted).status_code, (await moved).status_code) == (409, 200)
