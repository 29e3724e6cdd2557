"""Bookings and trainings that change at the same time, on a database of their own."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from httpx import AsyncClient, Limits, Response

from app.commands.database import database_url
from app.commands.prove.service import running_service
from app.conftest import API, Json, lock_waiters
from app.core.db import transactions
from app.identity.tests.callers import ADMIN
from app.trainings.tests.conftest import HOUR, SOON, Gym, at
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
    """Ten seats, two hundred athletes who book, two workers."""

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

    async def test_ten_of_200_concurrent_bookings_get_seats_and_the_others_wait(
        self, own_database: str, other: asyncpg.Connection
    ) -> None:
        async with self.service(own_database) as client:

            async def create(collection: str, payload: Json) -> Json:
                created: Json = (await client.post(f"{API}/{collection}", json=payload)).json()
                return created

            async def bookings() -> list[Json]:
                first = (await client.get(f"{url}?limit=100")).json()
                return [*first["items"], *(await client.get(first["next"])).json()["items"]]

            gym = await Gym.opened_by(client, create)
            training = await gym.training(capacity=10)
            athletes = await asyncio.gather(*(gym.athlete() for _ in range(200)))
            url = f"{API}/trainings/{training['id']}/bookings"

            answers = await together(*(gym.ask(training, athlete) for athlete in athletes))

            booked = await bookings()
            assert answers == {"201": 200}
            assert [one["status"] for one in booked] == ["reserved"] * 10 + ["waitlisted"] * 190
            assert len({one["booked_at"] for one in booked}) == 200
            assert await gym.seats(training) == (10, 10, 190, 0)

            cancelled = await together(*(gym.act(one, "cancel") for one in booked[:10]))

            after = await bookings()
            assert cancelled == {"200": 10}
            assert [one["id"] for one in after] == [one["id"] for one in booked]
            assert [one["status"] for one in after] == (
                ["cancelled"] * 10 + ["reserved"] * 10 + ["waitlisted"] * 180
            )
            assert [one["version"] for one in after] == [2] * 20 + [1] * 180
            assert await gym.seats(training) == (10, 10, 180, 0)
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

    @pytest.mark.parametrize("way", ["cancel", "resize"])
    async def test_no_athlete_is_promoted_if_a_lock_is_released_after_the_start(
        self, gym: Gym, other: asyncpg.Connection, way: str
    ) -> None:
        training = await gym.training(capacity=1)
        seat, place = await gym.book(training, *await gym.athletes(2))
        await other.execute("UPDATE trainings SET starts_at = now() + interval '0.3 s'")

        async with other.transaction():
            await other.execute(
                "SELECT FROM athletes WHERE id = $1 FOR NO KEY UPDATE", place["athlete"]["id"]
            )
            url = f"{API}/trainings/{training['id']}"
            changed = asyncio.ensure_future(
                gym.act(seat, "cancel")
                if way == "cancel"
                else gym.client.patch(url, json={"capacity": 2})
            )
            await lock_waiters(other)
            await asyncio.sleep(0.4)

        assert (await changed).status_code == {"cancel": 409, "resize": 200}[way]
        assert await gym.statuses(training) == ["reserved", "waitlisted"]


class TestTraining:
    async def test_bookings_fit_a_capacity_that_is_reduced_concurrently(
        self, gym: Gym, other: asyncpg.Connection
    ) -> None:
        for _ in range(ROUNDS):
            training = await gym.training(capacity=6)
            url = f"{API}/trainings/{training['id']}"
            asked = [gym.ask(training, athlete) for athlete in await gym.athletes(6)]
            shrunk = [gym.client.patch(url, json={"capacity": size}) for size in (5, 4, 3)]

            await together(*asked[:3], *shrunk, *asked[3:])

            assert len(await gym.statuses(training)) == 6
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
            assert moved.status_code in {200, 409}
            found = await gym.read(f"bookings/{booked.json()['id']}")
            expected = move if moved.status_code == 200 else training
            assert found["training"]["starts_at"] == expected["starts_at"]
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

    async def test_trainings_that_swap_centres_concurrently_all_move(
        self, gym: Gym, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A transaction may need a retry if its training is moved at the same time.
        monkeypatch.setattr(transactions, "RETRIES", 3)
        second = await gym.create("centres", {"name": "Second", "capacity": 10})
        await gym.client.patch(f"{API}/centres/{gym.centre_id}", json={"capacity": 10})
        here = await gym.training(capacity=5)
        there = await gym.training(capacity=5, centre_id=second["id"])
        for _ in range(ROUNDS):
            answers = await together(
                *(
                    gym.client.patch(f"{API}/trainings/{one['id']}", json={"centre_id": centre})
                    for one, centre in (
                        (here, second["id"]),
                        (there, gym.centre_id),
                        (here, gym.centre_id),
                        (there, second["id"]),
                    )
                )
            )
            assert answers == {"200": 4}
        assert await broken_rules(other) == []

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
