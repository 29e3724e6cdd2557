"""Bookings: seats, the waitlist, cancelling, checking in and out, and their lists."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, conflict, not_found, problem
from app.core.resources.fields import new_id
from app.trainings.tests.conftest import HOUR, SOON, Gym, Pass

MINUTE = timedelta(minutes=1)


class TestBook:
    async def test_a_booking_reads_with_its_training_and_its_athlete(
        self, client: AsyncClient, gym: Gym
    ) -> None:
        training = await gym.training()
        athlete_id = await gym.athlete(name="Mara")

        response = await gym.ask(training, athlete_id)

        booking = response.json()
        assert response.status_code == 201
        assert response.headers["Location"] == f"{API}/bookings/{booking['id']}"
        assert booking == {
            "id": booking["id"],
            "version": 1,
            "created_at": booking["created_at"],
            "updated_at": booking["created_at"],
            "training": {
                "id": training["id"],
                "name": "WOD",
                "starts_at": training["starts_at"],
                "ends_at": training["ends_at"],
                "status": "scheduled",
                "centre": {"id": gym.centre_id, "name": "Box"},
            },
            "athlete": {"id": athlete_id, "name": "Mara"},
            "status": "reserved",
            "booked_at": booking["booked_at"],
            "checked_in_at": None,
            "checked_out_at": None,
            "cancelled_at": None,
            "no_show": False,
            "expired": False,
            "drop_in": True,
        }
        found = await client.get(response.headers["Location"])
        assert found.json() == booking
        assert found.headers["ETag"] == response.headers["ETag"]
        assert await gym.seats(training) == (10, 1, 0, 9)

    async def test_who_is_enrolled_is_no_drop_in(self, gym: Gym) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete(centre_ids=[gym.centre_id]))
        athlete = f"{API}/athletes/{booking['athlete']['id']}"

        assert booking["drop_in"] is False
        await gym.client.delete(f"{athlete}/centres/{gym.centre_id}")
        assert (await gym.read(f"bookings/{booking['id']}"))["drop_in"] is True

    async def test_who_finds_it_full_waits_in_line(self, gym: Gym) -> None:
        training = await gym.training(capacity=2)
        bookings = await gym.book(training, *await gym.athletes(4))

        assert [one["status"] for one in bookings] == ["reserved"] * 2 + ["waitlisted"] * 2
        assert await gym.seats(training) == (2, 2, 2, 0)
        booked = [one["booked_at"] for one in bookings]
        assert booked == sorted(set(booked))

    async def test_who_does_not_want_to_wait_is_told_that_it_is_full(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        await gym.book(training, await gym.athlete())

        full = await gym.ask(training, await gym.athlete(), waitlist=False)

        assert problem(full) == (409, "/problems/training-full", [])
        assert await gym.seats(training) == (1, 1, 0, 0)

    async def test_one_books_once(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        bookings = await gym.book(training, *await gym.athletes(2))

        await gym.book(await gym.training(), bookings[1]["athlete"]["id"])
        for booking, waitlist in product(bookings, [True, False]):
            again = await gym.ask(training, booking["athlete"]["id"], waitlist=waitlist)
            assert conflict(again) == ("/problems/already-taken", "/athlete_id")
        await gym.client.patch(f"{API}/trainings/{training['id']}", json={"capacity": 2})
        busy = await gym.ask(training, bookings[1]["athlete"]["id"])
        assert conflict(busy) == ("/problems/already-taken", "/athlete_id")
        assert await gym.seats(training) == (2, 1, 1, 1)

    async def test_one_may_book_again_after_cancelling(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        first, second = await gym.book(training, *await gym.athletes(2))
        await gym.acted(first, "cancel")

        (again,) = await gym.book(training, first["athlete"]["id"])

        assert again["id"] != first["id"]
        assert await gym.statuses(training) == ["cancelled", "reserved", "waitlisted"]
        assert (await gym.read(f"bookings/{second['id']}"))["status"] == "reserved"

    async def test_who_or_what_is_not_there_is_told(self, gym: Gym) -> None:
        training = await gym.training()

        assert not_found(await gym.ask({"id": new_id()}, await gym.athlete()))
        assert not_found(await gym.ask({"id": new_id()}, str(new_id())))
        nobody = await gym.ask(training, str(new_id()))
        assert conflict(nobody) == ("/problems/reference-missing", "/athlete_id")

    @pytest.mark.parametrize(
        ("payload", "pointer", "code"),
        [
            ({}, "/athlete_id", "missing"),
            ({"athlete_id": None}, "/athlete_id", "uuid"),
            ({"waitlist": "false"}, "/waitlist", "bool_type"),
            ({"waitlist": 0}, "/waitlist", "bool_type"),
            ({"waitlist": None}, "/waitlist", "bool_type"),
            ({"status": "reserved"}, "/status", "extra_forbidden"),
        ],
    )
    async def test_a_field_that_is_wrong_is_named(
        self, gym: Gym, payload: Json, pointer: str, code: str
    ) -> None:
        url = f"{API}/trainings/{new_id()}/bookings"
        body = {"athlete_id": str(new_id()), **payload} if payload else {}

        response = await gym.client.post(url, json=body)

        assert problem(response) == (422, "/problems/invalid", [(pointer, code)])

    async def test_nothing_is_booked_after_the_start_or_once_cancelled(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        running, cancelled = await gym.training(), await gym.training(2 * HOUR)
        await gym.client.post(f"{API}/trainings/{cancelled['id']}/cancel")
        await let_pass(SOON)

        for training in (running, cancelled):
            late = await gym.ask(training, await gym.athlete())
            assert problem(late) == (409, "/problems/wrong-state", [])

    async def test_the_same_key_books_once(self, gym: Gym) -> None:
        training, athlete_id = await gym.training(), await gym.athlete()
        url = f"{API}/trainings/{training['id']}/bookings"

        first, again = [
            await gym.client.post(
                url, json={"athlete_id": athlete_id}, headers={"Idempotency-Key": "once"}
            )
            for _ in range(2)
        ]

        assert again.content == first.content
        assert again.headers["Location"] == first.headers["Location"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert await gym.seats(training) == (10, 1, 0, 9)


class TestBusy:
    """An athlete cannot have seats in two trainings that overlap."""

    async def test_a_second_seat_at_that_time_is_refused_and_names_the_first(
        self, gym: Gym
    ) -> None:
        first = await gym.training(name="Morning WOD")
        second = await gym.training(SOON + HOUR - MINUTE)
        athlete_id = await gym.athlete()
        await gym.book(first, athlete_id)

        busy = await gym.ask(second, athlete_id)

        assert conflict(busy) == ("/problems/athlete-busy", "/athlete_id")
        assert f'"Morning WOD" ({first["id"]})' in busy.json()["detail"]
        assert await gym.seats(second) == (10, 0, 0, 10)

    async def test_one_after_the_other_is_fine(self, gym: Gym) -> None:
        athlete_id = await gym.athlete()
        for number in (0, 2, 1):
            await gym.book(await gym.training(SOON + number * HOUR), athlete_id)

    async def test_also_within_and_around_and_for_a_day(self, gym: Gym) -> None:
        athlete_id = await gym.athlete()
        long = await gym.training(SOON, 24 * HOUR)
        last = await gym.training(SOON + 24 * HOUR - MINUTE, MINUTE)
        (booking,) = await gym.book(long, athlete_id)
        assert (await gym.ask(last, athlete_id)).status_code == 409
        await gym.acted(booking, "cancel")
        await gym.book(last, athlete_id)

        assert (await gym.ask(long, athlete_id)).status_code == 409

    async def test_waiting_in_several_is_fine(self, gym: Gym) -> None:
        taken, athlete_id = await gym.athlete(), await gym.athlete()
        first, second = await gym.training(capacity=1), await gym.training(2 * HOUR, capacity=1)
        beside = await gym.training()
        await gym.book(first, taken)
        await gym.book(second, taken)

        for training in (first, second):
            (booking,) = await gym.book(training, athlete_id)
            assert booking["status"] == "waitlisted"
        (seat,) = await gym.book(beside, athlete_id)
        assert seat["status"] == "reserved"

    async def test_a_seat_that_was_left_counts_until_it_is_cancelled(self, gym: Gym) -> None:
        training, beside = await gym.training(), await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await gym.acted(booking, "check-in")
        await gym.acted(booking, "check-out")

        assert (await gym.ask(beside, booking["athlete"]["id"])).status_code == 409
        await gym.acted(booking, "cancel")
        await gym.book(beside, booking["athlete"]["id"])


class TestCancel:
    async def test_a_seat_goes_to_who_waits_the_longest(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        first, second, third = await gym.book(training, *await gym.athletes(3))

        cancelled = await gym.acted(first, "cancel")

        assert cancelled == first | {
            "version": 2,
            "updated_at": cancelled["updated_at"],
            "status": "cancelled",
            "cancelled_at": cancelled["cancelled_at"],
        }
        assert cancelled["cancelled_at"] >= first["booked_at"]
        promoted = await gym.read(f"bookings/{second['id']}")
        assert promoted == second | {
            "version": 2,
            "updated_at": promoted["updated_at"],
            "status": "reserved",
        }
        assert await gym.read(f"bookings/{third['id']}") == third
        assert await gym.seats(training) == (1, 1, 1, 0)

    async def test_who_is_busy_is_passed_over_and_keeps_the_place(self, gym: Gym) -> None:
        training, beside = await gym.training(capacity=1), await gym.training()
        bookings = await gym.book(training, *await gym.athletes(4))
        (elsewhere,) = await gym.book(beside, bookings[1]["athlete"]["id"])

        await gym.acted(bookings[0], "cancel")
        assert await gym.statuses(training) == [
            "cancelled",
            "waitlisted",
            "reserved",
            "waitlisted",
        ]

        await gym.acted(elsewhere, "cancel")
        await gym.acted(bookings[2], "cancel")
        assert await gym.statuses(training) == [
            "cancelled",
            "reserved",
            "cancelled",
            "waitlisted",
        ]

    async def test_a_seat_that_nobody_can_take_is_free(self, gym: Gym) -> None:
        training, beside = await gym.training(capacity=1), await gym.training()
        seat, place = await gym.book(training, *await gym.athletes(2))
        await gym.book(beside, place["athlete"]["id"])

        await gym.acted(seat, "cancel")

        assert await gym.seats(training) == (1, 0, 1, 1)
        (next_one,) = await gym.book(training, await gym.athlete())
        assert next_one["status"] == "reserved"

    async def test_a_place_in_the_line_moves_nobody(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        _, second, third = await gym.book(training, *await gym.athletes(3))

        await gym.acted(second, "cancel")

        assert await gym.statuses(training) == ["reserved", "cancelled", "waitlisted"]
        assert await gym.seats(training) == (1, 1, 1, 0)
        assert await gym.read(f"bookings/{third['id']}") == third

    async def test_again_it_stays_as_it_is(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training(capacity=1)
        first, *_ = await gym.book(training, *await gym.athletes(3))
        cancelled = await gym.acted(first, "cancel")

        assert await gym.acted(first, "cancel") == cancelled
        assert await gym.statuses(training) == ["cancelled", "reserved", "waitlisted"]
        await let_pass(HOUR)
        assert (await gym.acted(first, "cancel"))["version"] == 2

    async def test_not_after_the_start(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training(capacity=1)
        bookings = await gym.book(training, *await gym.athletes(2))
        await let_pass(SOON)

        for booking in bookings:
            late = await gym.act(booking, "cancel")
            assert problem(late) == (409, "/problems/wrong-state", [])
        assert await gym.statuses(training) == ["reserved", "waitlisted"]

    async def test_who_is_checked_in_may_leave_the_seat_to_others(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        first, _ = await gym.book(training, *await gym.athletes(2))
        checked_in = await gym.acted(first, "check-in")

        cancelled = await gym.acted(first, "cancel")

        assert cancelled["checked_in_at"] == checked_in["checked_in_at"]
        assert await gym.statuses(training) == ["cancelled", "reserved"]


class TestCheckIn:
    async def test_who_comes_and_goes_is_noted(self, gym: Gym) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())

        checked_in = await gym.acted(booking, "check-in")
        checked_out = await gym.acted(booking, "check-out")

        assert checked_in == booking | {
            "version": 2,
            "updated_at": checked_in["updated_at"],
            "status": "checked_in",
            "checked_in_at": checked_in["checked_in_at"],
        }
        assert checked_out == checked_in | {
            "version": 3,
            "updated_at": checked_out["updated_at"],
            "checked_out_at": checked_out["checked_out_at"],
        }
        times = booking["booked_at"], checked_in["checked_in_at"], checked_out["checked_out_at"]
        assert all(times)
        assert list(times) == sorted(times)
        assert await gym.seats(training) == (10, 1, 0, 9)

    async def test_again_it_stays_as_it_is(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        for action in ("check-in", "check-out"):
            noted = await gym.acted(booking, action)
            assert await gym.acted(booking, action) == noted
        await let_pass(3 * HOUR)
        assert (await gym.acted(booking, "check-in"))["version"] == 3

    @pytest.mark.parametrize(
        ("passed", "status"),
        [
            (timedelta(0), 409),
            (2 * HOUR - MINUTE, 409),
            (2 * HOUR, 200),
            (3 * HOUR, 200),
            (4 * HOUR - MINUTE, 200),
            (4 * HOUR, 409),
        ],
    )
    async def test_it_is_from_an_hour_before_the_start_until_the_end(
        self, gym: Gym, let_pass: Pass, passed: timedelta, status: int
    ) -> None:
        training = await gym.training(3 * HOUR)
        (booking,) = await gym.book(training, await gym.athlete())
        await let_pass(passed)

        response = await gym.act(booking, "check-in")

        assert response.status_code == status
        if status == 409:
            assert problem(response) == (409, "/problems/wrong-state", [])

    async def test_only_who_has_a_seat_checks_in_and_only_who_is_in_goes_out(
        self, gym: Gym
    ) -> None:
        training = await gym.training(capacity=1)
        seat, place = await gym.book(training, *await gym.athletes(2))
        (other,) = await gym.book(await gym.training(), await gym.athlete())
        await gym.acted(other, "check-in")
        await gym.acted(other, "cancel")

        for booking, action in (
            (seat, "check-out"),
            (place, "check-in"),
            (place, "check-out"),
            (other, "check-in"),
            (other, "check-out"),
        ):
            refused = await gym.act(booking, action)
            assert problem(refused) == (409, "/problems/wrong-state", [])

    async def test_one_may_check_out_after_the_end(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await gym.acted(booking, "check-in")
        await let_pass(5 * HOUR)

        assert (await gym.acted(booking, "check-out"))["checked_out_at"]

    @pytest.mark.parametrize("action", ["cancel", "check-in", "check-out"])
    async def test_a_booking_that_is_not_there_is_told(self, gym: Gym, action: str) -> None:
        assert not_found(await gym.act({"id": new_id()}, action))


class TestDerived:
    async def test_who_does_not_come_is_a_no_show_after_the_end(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        training = await gym.training(capacity=2)
        came, missing, waiting, gone = await gym.book(training, *await gym.athletes(4))
        await gym.acted(came, "check-in")
        await gym.acted(gone, "cancel")

        async def derived() -> list[tuple[bool, bool]]:
            found = [
                await gym.read(f"bookings/{one['id']}") for one in (came, missing, waiting, gone)
            ]
            return [(one["no_show"], one["expired"]) for one in found]

        nothing = (False, False)
        assert await derived() == [nothing] * 4
        await let_pass(SOON)
        assert await derived() == [nothing, nothing, (False, True), nothing]
        await let_pass(HOUR)
        assert await derived() == [nothing, (True, False), (False, True), nothing]


class TestLists:
    async def test_those_of_a_training_come_in_the_order_of_the_line(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        other = await gym.training(3 * HOUR)
        bookings = await gym.book(training, *await gym.athletes(5))
        await gym.book(other, bookings[0]["athlete"]["id"])
        url = f"trainings/{training['id']}/bookings"

        async def ids(query: str) -> list[str]:
            met: list[str] = []
            following: str | None = f"{API}/{url}?limit=2&{query}"
            while following:
                page = (await gym.client.get(following)).json()
                met += [one["id"] for one in page["items"]]
                following = page["next"]
            return met

        in_order = [one["id"] for one in bookings]
        assert (await gym.read(url))["items"] == bookings
        assert await ids("") == in_order
        assert await ids("sort=-booked_at") == in_order[::-1]
        assert await ids("status=waitlisted") == in_order[1:]
        assert await ids("status=reserved") == in_order[:1]
        assert (await gym.read(f"{url}?status=cancelled&total=true"))["total"] == 0

    async def test_those_of_an_athlete_come_by_the_start_of_the_trainings(self, gym: Gym) -> None:
        athlete_id, other = await gym.athletes(2)
        trainings = [await gym.training(number * 2 * HOUR) for number in (2, 1, 3)]
        second, first, third = [(await gym.book(one, athlete_id))[0] for one in trainings]
        await gym.book(trainings[0], other)
        cancelled = await gym.acted(third, "cancel")
        url = f"athletes/{athlete_id}/bookings"

        async def listed(query: str) -> Any:
            return (await gym.read(f"{url}?{query}"))["items"]

        def moment(booking: Json) -> str:
            return str(booking["training"]["starts_at"]).replace("+00:00", "Z")

        assert await listed("") == [first, second, cancelled]
        assert await listed("sort=-starts_at") == [cancelled, second, first]
        assert await listed("status=reserved") == [first, second]
        assert await listed(f"from={moment(second)}") == [second, cancelled]
        assert await listed(f"to={moment(second)}") == [first]

    async def test_of_whom_or_what_is_not_there_there_is_no_list(
        self, gym: Gym, create: Create
    ) -> None:
        training, athlete_id = await gym.training(), await gym.athlete()
        empty: Json = {"items": [], "next": None, "total": None}

        assert await gym.read(f"trainings/{training['id']}/bookings") == empty
        assert await gym.read(f"athletes/{athlete_id}/bookings") == empty
        assert not_found(await gym.client.get(f"{API}/trainings/{new_id()}/bookings"))
        assert not_found(await gym.client.get(f"{API}/athletes/{new_id()}/bookings"))

    @pytest.mark.parametrize(
        ("owner", "query", "pointer"),
        [
            ("trainings", "sort=starts_at", "?sort"),
            ("trainings", "from=2026-12-01T18:00:00Z", "?from"),
            ("trainings", "status=scheduled", "?status"),
            ("athletes", "sort=booked_at", "?sort"),
            ("athletes", "status=expired", "?status"),
        ],
    )
    async def test_a_parameter_that_is_wrong_is_named(
        self, client: AsyncClient, owner: str, query: str, pointer: str
    ) -> None:
        response = await client.get(f"{API}/{owner}/{new_id()}/bookings?{query}")

        status, kind, ((found, _),) = problem(response)
        assert (status, kind, found) == (422, "/problems/invalid", pointer)
