"""Trainings that are booked, and then get fewer seats, another time or another centre."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.conftest import API, Create, Json, conflict, problem
from app.trainings.tests.conftest import HOUR, SOON, Gym, LogIn, Pass, at

URL = f"{API}/trainings"
MINUTE = timedelta(minutes=1)
STATE: tuple[int, str, list[tuple[str, str]]] = (409, "/problems/wrong-state", [])


async def changed(gym: Gym, training: Json, **fields: Any) -> Json:
    """Change a training, and return it."""
    response = await gym.client.patch(f"{URL}/{training['id']}", json=fields)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


class TestShrink:
    async def test_nobody_loses_or_gets_a_seat_until_fewer_are_taken(self, gym: Gym) -> None:
        training = await gym.training(capacity=3)
        seats = await gym.book(training, *await gym.athletes(4))

        shrunk = await changed(gym, training, capacity=1)

        assert shrunk == training | {
            "version": 2,
            "updated_at": shrunk["updated_at"],
            "capacity": 1,
            "seats": {"capacity": 1, "taken": 3, "waiting": 1, "over": 2, "available": 0},
        }
        assert await gym.statuses(training) == ["reserved"] * 3 + ["waitlisted"]
        full = await gym.ask(training, await gym.athlete(), waitlist=False)
        assert problem(full) == (409, "/problems/training-full", [])
        await gym.book(training, await gym.athlete())
        over, promoted = [], []
        for seat in seats[:3]:
            await gym.acted(seat, "cancel")
            over.append((await gym.read(f"trainings/{training['id']}"))["seats"]["over"])
            promoted.append((await gym.statuses(training))[3])
        assert over == [1, 0, 0]
        assert promoted == ["waitlisted", "waitlisted", "reserved"]
        assert await gym.seats(training) == (1, 1, 1, 0)

    @pytest.mark.parametrize(("capacity", "over", "waiting"), [(1, 2, 2), (3, 0, 2), (4, 0, 1)])
    async def test_the_capacity_of_a_shrunk_training_may_change_again(
        self, gym: Gym, capacity: int, over: int, waiting: int
    ) -> None:
        training = await gym.training(capacity=3)
        await gym.book(training, *await gym.athletes(5))
        await changed(gym, training, capacity=2)

        seats = (await changed(gym, training, capacity=capacity))["seats"]

        assert seats == {
            "capacity": capacity,
            "taken": 5 - waiting,
            "waiting": waiting,
            "over": over,
            "available": 0,
        }

    async def test_a_cancelled_training_has_no_seats_over_its_capacity(self, gym: Gym) -> None:
        training = await gym.training(capacity=2)
        await gym.book(training, *await gym.athletes(2))
        await changed(gym, training, capacity=1)

        cancelled = (await gym.client.post(f"{URL}/{training['id']}/cancel")).json()

        nothing = {"taken": 0, "waiting": 0, "over": 0, "available": 0}
        assert cancelled["seats"] == {"capacity": 1, **nothing}

    async def test_the_centre_counts_the_seats_that_are_taken(self, gym: Gym) -> None:
        centre = f"{API}/centres/{gym.centre_id}"
        await gym.client.patch(centre, json={"capacity": 4})
        training = await gym.training(capacity=4)
        seats = await gym.book(training, *await gym.athletes(3))
        await changed(gym, training, capacity=1)

        too_many = await gym.client.post(URL, json=gym.plan(capacity=2))
        too_small = await gym.client.patch(centre, json={"capacity": 2})

        assert conflict(too_many) == conflict(too_small) == ("/problems/centre-full", "/capacity")
        beside = await gym.training(capacity=1)
        await gym.acted(seats[0], "cancel")
        await changed(gym, beside, capacity=2)
        larger = await gym.client.patch(f"{URL}/{training['id']}", json={"capacity": 3})
        assert conflict(larger) == ("/problems/centre-full", "/capacity")
        assert (await changed(gym, training, capacity=2))["seats"]["over"] == 0

    async def test_the_database_lets_the_seats_over_the_capacity_only_fall(
        self, gym: Gym, connection: asyncpg.Connection
    ) -> None:
        training = await gym.training(capacity=2)
        await gym.book(training, *await gym.athletes(2))
        await changed(gym, training, capacity=1)

        for change in (
            "taken = taken + 1, over = over + 1",
            "taken = taken + 1, over = over + 1, capacity = capacity",
            "over = 0",
            "over = 2",
            "taken = taken + 1",
        ):
            with pytest.raises(asyncpg.CheckViolationError) as violated:
                async with connection.transaction():
                    await connection.execute(f"UPDATE trainings SET {change}")  # noqa: S608
            assert violated.value.constraint_name in ("ck_trainings_over", "ck_trainings_taken")


class TestMove:
    async def test_all_active_bookings_move_along(self, gym: Gym, create: Create) -> None:
        other = await create("centres", {"name": "Other"})
        training = await gym.training(capacity=1)
        seat, place, gone = await gym.book(training, *await gym.athletes(3))
        await gym.acted(gone, "cancel")
        place_then = {
            "starts_at": at(gym.opened + SOON + MINUTE),
            "ends_at": at(gym.opened + SOON + 2 * HOUR),
            "centre_id": other["id"],
        }

        moved = await changed(gym, training, **place_then)

        assert moved == training | {
            "version": 2,
            "updated_at": moved["updated_at"],
            "starts_at": place_then["starts_at"],
            "ends_at": place_then["ends_at"],
            "centre": {"id": other["id"], "name": "Other"},
            "seats": {"capacity": 1, "taken": 1, "waiting": 1, "over": 0, "available": 0},
            "moved_from": {
                "starts_at": training["starts_at"],
                "ends_at": training["ends_at"],
                "centre": {"id": gym.centre_id, "name": "Box"},
            },
        }
        assert await gym.read(f"trainings/{training['id']}") == moved
        for booking in (seat, place):
            found = await gym.read(f"bookings/{booking['id']}")
            of_it = {name: moved[name] for name in booking["training"]}
            assert found == booking | {"training": of_it}

    async def test_an_athlete_cannot_move_into_another_seat(
        self, gym: Gym, log_in: LogIn, create: Create
    ) -> None:
        training = await gym.training()
        beside = await gym.training(2 * HOUR, name="Open gym")
        elsewhere = await create("centres", {"name": "Other"})
        foreign = await gym.training(2 * HOUR, centre_id=elsewhere["id"])
        full = await gym.training(2 * HOUR, capacity=1)
        mara, sana, finn, free = [
            await gym.athlete(name=name) for name in ("Mara", "Sana", "Finn", "Ana")
        ]
        await gym.book(training, sana, mara, finn, free)
        await gym.book(beside, mara)
        await gym.book(foreign, sana)
        await gym.book(full, await gym.athlete(), finn)  # who waits there, so he is not busy
        before = await gym.read(f"trainings/{training['id']}")
        to = {"ends_at": at(gym.opened + 3 * HOUR), "starts_at": at(gym.opened + 2 * HOUR)}
        gym.client = await log_in("coach")

        refused = await gym.client.patch(f"{URL}/{training['id']}", json=to)

        blamed = [("/starts_at", "busy")] * 2
        assert problem(refused) == (409, "/problems/athlete-busy", blamed)
        assert refused.json()["detail"] == (
            "Nobody was moved: some athletes have a seat in another training, which overlaps."
        )
        assert [error["detail"] for error in refused.json()["errors"]] == [
            f'Mara ({mara}) has a seat in "Open gym" ({beside["id"]}):'
            f" from {beside['starts_at']} to {beside['ends_at']}.",
            f"Sana ({sana}) has a seat in another training.",
        ]
        assert await gym.read(f"trainings/{training['id']}") == before
        longer = {"ends_at": at(gym.opened + 2 * HOUR + MINUTE)}
        longer_refused = await gym.client.patch(f"{URL}/{training['id']}", json=longer)
        assert problem(longer_refused)[2] == [("/ends_at", "busy")] * 2
        await changed(gym, training, ends_at=at(gym.opened + 2 * HOUR))

    async def test_an_athlete_in_the_waitlist_of_a_moved_training_is_not_busy(
        self, gym: Gym
    ) -> None:
        training, later = await gym.training(capacity=1), await gym.training(2 * HOUR)
        _, place = await gym.book(training, *await gym.athletes(2))
        await gym.book(later, place["athlete"]["id"])

        await changed(gym, training, ends_at=at(gym.opened + 3 * HOUR))

        assert await gym.statuses(training) == ["reserved", "waitlisted"]

    async def test_at_most_50_busy_athletes_are_named(
        self, gym: Gym, connection: asyncpg.Connection
    ) -> None:
        training, later = await gym.training(capacity=51), await gym.training(2 * HOUR, capacity=51)
        for one in (training, later):
            await connection.execute("UPDATE trainings SET taken = 51 WHERE id = $1", one["id"])
        await connection.execute(
            "WITH people AS (INSERT INTO athletes (id, name, name_key, category_id)"
            " SELECT gen_random_uuid(), n, n, $1 FROM generate_series(10, 60) n RETURNING id, name)"
            " INSERT INTO bookings"
            " (id, training_id, athlete_id, starts_at, ends_at, status, booked_at)"
            " SELECT gen_random_uuid(), trainings.id, people.id, starts_at, ends_at, 'reserved',"
            " now() + people.name::int * interval '1 s' FROM people, trainings",
            gym.category_id,
        )

        refused = await gym.client.patch(
            f"{URL}/{training['id']}", json={"ends_at": at(gym.opened + 3 * HOUR)}
        )

        status, kind, errors = problem(refused)
        assert (status, kind, len(errors)) == (409, "/problems/athlete-busy", 50)
        names = [error["detail"][:2] for error in refused.json()["errors"]]
        assert names == [str(number) for number in range(10, 60)]

    async def test_a_booked_training_moves_only_before_its_start_and_not_into_the_past(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        training, unbooked = await gym.training(), await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        url = f"{URL}/{training['id']}"

        past = await gym.client.patch(url, json={"starts_at": at(gym.opened)})
        await let_pass(SOON)
        started = [
            await gym.client.patch(url, json=place)
            for place in (
                {"starts_at": at(gym.opened + SOON)},
                {"ends_at": at(gym.opened + 3 * HOUR)},
            )
        ]

        assert problem(past) == STATE
        assert past.json()["detail"] == (
            "This training has bookings: it cannot be moved into the past."
        )
        for refused in started:
            assert problem(refused) == STATE
            assert refused.json()["detail"] == (
                "This training has started, and has bookings: it cannot be moved."
            )
        same = await gym.read(f"trainings/{training['id']}")
        await changed(gym, training, name="New", starts_at=same["starts_at"])
        assert (await gym.read(f"bookings/{booking['id']}"))["version"] == 1
        moved = await changed(gym, unbooked, starts_at=at(gym.opened - HOUR))
        assert moved["moved_from"] is None

    async def test_a_move_must_fit_the_other_centre(self, gym: Gym, create: Create) -> None:
        small = await create("centres", {"name": "Small", "capacity": 2})
        training = await gym.training(capacity=3)
        await gym.book(training, *await gym.athletes(3))
        url = f"{URL}/{training['id']}"
        await changed(gym, training, capacity=2)

        full = await gym.client.patch(url, json={"centre_id": small["id"]})

        assert problem(full) == (409, "/problems/centre-full", [])
        invalid = await gym.client.patch(url, json={"ends_at": training["starts_at"]})
        assert problem(invalid) == (422, "/problems/invalid", [("/ends_at", "span")])

    async def test_a_move_may_come_with_more_seats(self, gym: Gym) -> None:
        training, later = await gym.training(capacity=1), await gym.training(2 * HOUR)
        _, busy, free = await gym.book(training, *await gym.athletes(3))
        await gym.book(later, busy["athlete"]["id"])

        moved = await changed(gym, training, ends_at=at(gym.opened + 3 * HOUR), capacity=2)

        assert moved["seats"]["taken"] == 2
        assert await gym.statuses(training) == ["reserved", "waitlisted", "reserved"]
        assert (await gym.read(f"bookings/{free['id']}"))["version"] == 2


class TestMovedFrom:
    """It tells athletes who booked before the move where the training was."""

    async def move(self, gym: Gym, training: Json, minutes: int) -> str | None:
        """Move the start and the end; return the former start, if it is told."""
        start = gym.opened + timedelta(minutes=minutes)
        place = {"starts_at": at(start), "ends_at": at(start + HOUR)}
        told = (await changed(gym, training, **place))["moved_from"]
        return str(told["starts_at"]) if told else None

    def start(self, gym: Gym, minutes: int) -> str:
        return at(gym.opened + timedelta(minutes=minutes))

    async def test_after_several_moves_it_is_the_first_place(self, gym: Gym) -> None:
        training = await gym.training()
        await gym.book(training, await gym.athlete())

        assert await self.move(gym, training, 40) == self.start(gym, 30)
        assert await self.move(gym, training, 50) == self.start(gym, 30)
        assert await self.move(gym, training, 30) == self.start(gym, 50)
        renamed = await changed(gym, training, name="New", capacity=12)
        assert renamed["moved_from"]["starts_at"] == self.start(gym, 50)

    async def test_it_is_null_once_all_active_bookings_are_newer(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        seat, place = await gym.book(training, *await gym.athletes(2))
        await self.move(gym, training, 40)
        await gym.book(training, await gym.athlete())

        async def told() -> bool:
            in_list = (await gym.read("trainings"))["items"][0]["moved_from"]
            assert (await gym.read(f"trainings/{training['id']}"))["moved_from"] == in_list
            return in_list is not None

        assert await told()
        await gym.acted(seat, "cancel")
        assert await told()
        await gym.acted(place, "cancel")
        assert not await told()
        assert await self.move(gym, training, 50) == self.start(gym, 40)

    async def test_it_tells_athletes_who_only_wait(self, gym: Gym, let_pass: Pass) -> None:
        training, beside = await gym.training(capacity=1), await gym.training()
        seat, place = await gym.book(training, *await gym.athletes(2))
        await gym.book(beside, place["athlete"]["id"])
        await gym.acted(seat, "cancel")
        assert await gym.seats(training) == (1, 0, 1, 1)

        assert await self.move(gym, training, 40) == self.start(gym, 30)
        await let_pass(timedelta(minutes=40))
        late = await gym.client.patch(
            f"{URL}/{training['id']}", json={"ends_at": at(gym.opened + 2 * HOUR)}
        )
        assert problem(late) == STATE

    async def test_it_is_null_after_the_end(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training()
        await gym.book(training, await gym.athlete())
        await self.move(gym, training, 40)

        await let_pass(timedelta(minutes=40) + HOUR - MINUTE)
        assert (await gym.read(f"trainings/{training['id']}"))["moved_from"]
        await let_pass(MINUTE)
        assert (await gym.read(f"trainings/{training['id']}"))["moved_from"] is None

    async def test_its_centre_is_null_after_that_was_deleted(
        self, gym: Gym, create: Create
    ) -> None:
        first = await create("centres", {"name": "First"})
        training = await gym.training(centre_id=first["id"])
        await gym.book(training, await gym.athlete())
        await changed(gym, training, centre_id=gym.centre_id)

        await gym.client.delete(f"{API}/centres/{first['id']}")

        assert (await gym.read(f"trainings/{training['id']}"))["moved_from"] == {
            "starts_at": training["starts_at"],
            "ends_at": training["ends_at"],
            "centre": None,
        }
