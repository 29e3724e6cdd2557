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
    async def test_a_booking_includes_its_training_and_its_athlete(
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
            "late": False,
            "drop_in": True,
        }
        found = await client.get(response.headers["Location"])
        assert found.json() == booking
        assert found.headers["ETag"] == response.headers["ETag"]
        assert await gym.seats(training) == (10, 1, 0, 9)

    async def test_an_athlete_enrolled_at_the_centre_is_not_a_drop_in(self, gym: Gym) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete(centre_ids=[gym.centre_id]))
        athlete = f"{API}/athletes/{booking['athlete']['id']}"

        assert booking["drop_in"] is False
        await gym.client.delete(f"{athlete}/centres/{gym.centre_id}")
        assert (await gym.read(f"bookings/{booking['id']}"))["drop_in"] is True

    async def test_a_full_training_puts_the_athlete_in_the_waitlist(self, gym: Gym) -> None:
        training = await gym.training(capacity=2)
        bookings = await gym.book(training, *await gym.athletes(4))

        assert [one["status"] for one in bookings] == ["reserved"] * 2 + ["waitlisted"] * 2
        assert await gym.seats(training) == (2, 2, 2, 0)
        booked = [one["booked_at"] for one in bookings]
        assert booked == sorted(set(booked))

    async def test_a_full_training_refuses_a_booking_without_the_waitlist(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        await gym.book(training, await gym.athlete())

        full = await gym.ask(training, await gym.athlete(), waitlist=False)

        assert problem(full) == (409, "/problems/training-full", [])
        assert await gym.seats(training) == (1, 1, 0, 0)

    async def test_an_athlete_can_book_a_training_only_once(self, gym: Gym) -> None:
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

    async def test_an_athlete_can_book_again_after_cancelling(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        first, second = await gym.book(training, *await gym.athletes(2))
        await gym.acted(first, "cancel")

        (again,) = await gym.book(training, first["athlete"]["id"])

        assert again["id"] != first["id"]
        assert await gym.statuses(training) == ["cancelled", "reserved", "waitlisted"]
        assert (await gym.read(f"bookings/{second['id']}"))["status"] == "reserved"

    async def test_an_unknown_training_is_not_found_and_an_unknown_athlete_a_conflict(
        self, gym: Gym
    ) -> None:
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
    async def test_an_invalid_field_is_refused(
        self, gym: Gym, payload: Json, pointer: str, code: str
    ) -> None:
        url = f"{API}/trainings/{new_id()}/bookings"
        body = {"athlete_id": str(new_id()), **payload} if payload else {}

        response = await gym.client.post(url, json=body)

        assert problem(response) == (422, "/problems/invalid", [(pointer, code)])

    async def test_a_cancelled_training_cannot_be_booked(self, gym: Gym) -> None:
        training = await gym.training()
        await gym.client.post(f"{API}/trainings/{training['id']}/cancel")

        refused = await gym.ask(training, await gym.athlete())

        assert problem(refused) == (409, "/problems/wrong-state", [])
        assert refused.json()["detail"] == "This training is cancelled."

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

    async def test_an_overlapping_seat_is_refused_with_the_name_of_the_first(
        self, gym: Gym
    ) -> None:
        first = await gym.training(name="Morning WOD")
        second = await gym.training(SOON + HOUR - MINUTE)
        athlete_id = await gym.athlete()
        await gym.book(first, athlete_id)

        busy = await gym.ask(second, athlete_id)

        assert conflict(busy) == ("/problems/athlete-busy", "/athlete_id")
        assert busy.json()["detail"] == (
            f'This athlete has a seat in "Morning WOD" ({first["id"]}), which overlaps:'
            f" from {first['starts_at']} to {first['ends_at']}."
        )
        assert await gym.seats(second) == (10, 0, 0, 10)

    async def test_an_athlete_can_book_consecutive_trainings(self, gym: Gym) -> None:
        athlete_id = await gym.athlete()
        for number in (0, 2, 1):
            await gym.book(await gym.training(SOON + number * HOUR), athlete_id)

    async def test_a_training_within_or_around_a_booked_one_is_refused(self, gym: Gym) -> None:
        athlete_id = await gym.athlete()
        long = await gym.training(SOON, 24 * HOUR)
        last = await gym.training(SOON + 24 * HOUR - MINUTE, MINUTE)
        (booking,) = await gym.book(long, athlete_id)
        assert (await gym.ask(last, athlete_id)).status_code == 409
        await gym.acted(booking, "cancel")
        await gym.book(last, athlete_id)

        assert (await gym.ask(long, athlete_id)).status_code == 409

    async def test_an_athlete_in_waitlists_can_still_book_a_seat(self, gym: Gym) -> None:
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

    async def test_a_seat_counts_after_check_out_until_it_is_cancelled(self, gym: Gym) -> None:
        training, beside = await gym.training(), await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await gym.acted(booking, "check-in")
        await gym.acted(booking, "check-out")

        assert (await gym.ask(beside, booking["athlete"]["id"])).status_code == 409
        await gym.acted(booking, "cancel")
        await gym.book(beside, booking["athlete"]["id"])


class TestCancel:
    async def test_a_cancelled_seat_goes_to_the_first_in_the_waitlist(self, gym: Gym) -> None:
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

    async def test_a_busy_athlete_is_skipped_and_keeps_the_place_in_the_waitlist(
        self, gym: Gym
    ) -> None:
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

    async def test_a_seat_stays_free_if_every_waiting_athlete_is_busy(self, gym: Gym) -> None:
        training, beside = await gym.training(capacity=1), await gym.training()
        seat, place = await gym.book(training, *await gym.athletes(2))
        await gym.book(beside, place["athlete"]["id"])

        await gym.acted(seat, "cancel")

        assert await gym.seats(training) == (1, 0, 1, 1)
        (next_one,) = await gym.book(training, await gym.athlete())
        assert next_one["status"] == "reserved"

    async def test_cancelling_a_waitlisted_booking_promotes_no_athlete(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        _, second, third = await gym.book(training, *await gym.athletes(3))

        await gym.acted(second, "cancel")

        assert await gym.statuses(training) == ["reserved", "cancelled", "waitlisted"]
        assert await gym.seats(training) == (1, 1, 1, 0)
        assert await gym.read(f"bookings/{third['id']}") == third

    async def test_cancelling_again_changes_nothing(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training(capacity=1)
        first, *_ = await gym.book(training, *await gym.athletes(3))
        cancelled = await gym.acted(first, "cancel")

        assert await gym.acted(first, "cancel") == cancelled
        assert await gym.statuses(training) == ["cancelled", "reserved", "waitlisted"]
        await let_pass(HOUR)
        assert (await gym.acted(first, "cancel"))["version"] == 2

    async def test_a_booking_cannot_be_cancelled_after_the_start(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        training = await gym.training(capacity=1)
        bookings = await gym.book(training, *await gym.athletes(2))
        await let_pass(SOON)

        for booking in bookings:
            late = await gym.act(booking, "cancel")
            assert problem(late) == (409, "/problems/wrong-state", [])
        assert await gym.statuses(training) == ["reserved", "waitlisted"]

    async def test_a_seat_that_is_cancelled_after_check_in_goes_to_the_next(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        first, _ = await gym.book(training, *await gym.athletes(2))
        checked_in = await gym.acted(first, "check-in")

        cancelled = await gym.acted(first, "cancel")

        assert cancelled["checked_in_at"] == checked_in["checked_in_at"]
        assert await gym.statuses(training) == ["cancelled", "reserved"]


class TestCheckIn:
    async def test_check_in_and_check_out_are_recorded(self, gym: Gym) -> None:
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

    async def test_checking_in_or_out_again_changes_nothing(self, gym: Gym, let_pass: Pass) -> None:
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
        ],
    )
    async def test_check_in_is_possible_from_an_hour_before_the_start(
        self, gym: Gym, let_pass: Pass, passed: timedelta, status: int
    ) -> None:
        training = await gym.training(3 * HOUR)
        (booking,) = await gym.book(training, await gym.athlete())
        await let_pass(passed)

        response = await gym.act(booking, "check-in")

        assert response.status_code == status
        if status == 409:
            assert problem(response) == (409, "/problems/wrong-state", [])

    async def test_check_in_requires_a_seat_and_the_others_a_check_in(self, gym: Gym) -> None:
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
            (place, "undo-check-in"),
            (other, "undo-check-in"),
        ):
            refused = await gym.act(booking, action)
            assert problem(refused) == (409, "/problems/wrong-state", [])

    async def test_an_athlete_can_check_out_after_the_end(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await gym.acted(booking, "check-in")
        await let_pass(5 * HOUR)

        assert (await gym.acted(booking, "check-out"))["checked_out_at"]

    @pytest.mark.parametrize("action", ["cancel", "check-in", "undo-check-in", "check-out"])
    async def test_an_unknown_booking_is_not_found(self, gym: Gym, action: str) -> None:
        assert not_found(await gym.act({"id": new_id()}, action))


class TestDerivedFields:
    async def test_no_show_is_true_after_the_end_and_expired_after_the_start(
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
    async def test_bookings_of_a_training_are_sorted_by_booking_time(self, gym: Gym) -> None:
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

    async def test_bookings_of_an_athlete_are_sorted_by_the_start_of_the_training(
        self, gym: Gym
    ) -> None:
        athlete_id, other = await gym.athletes(2)
        trainings = [await gym.training(number * 2 * HOUR) for number in (2, 1, 3)]
        second, first, third = [(await gym.book(one, athlete_id))[0] for one in trainings]
        await gym.book(trainings[0], other)
        cancelled = await gym.acted(third, "cancel")
        url = f"athletes/{athlete_id}/bookings"

        async def listed(query: str) -> Any:
            return (await gym.read(f"{url}?{query}"))["items"]

        def moment(booking: Json) -> str:
            return str(booking["training"]["starts_at"])

        assert await listed("") == [first, second, cancelled]
        assert await listed("sort=-starts_at") == [cancelled, second, first]
        assert await listed("status=reserved") == [first, second]
        assert await listed(f"from={moment(second)}") == [second, cancelled]
        assert await listed(f"to={moment(second)}") == [first]

    async def test_the_bookings_of_an_unknown_training_or_athlete_are_not_found(
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
    async def test_an_invalid_parameter_is_refused(
        self, client: AsyncClient, owner: str, query: str, pointer: str
    ) -> None:
        response = await client.get(f"{API}/{owner}/{new_id()}/bookings?{query}")

        status, kind, ((found, _),) = problem(response)
        assert (status, kind, found) == (422, "/problems/invalid", pointer)
