"""The desk: waitlist first, walk-ins, corrected attendance, scanners, rules of the centre."""

from datetime import timedelta
from typing import Any

import pytest

from app.conftest import API, Json, conflict, not_found, problem
from app.core.resources.fields import new_id
from app.identity.models import DEVICE_SCOPES
from app.trainings.tests.conftest import HOUR, SOON, Gym, LogIn, Pass, at

MINUTE = timedelta(minutes=1)
WEEK = timedelta(days=7)
WRITES = {"scopes": [*DEVICE_SCOPES, "trainings:write"]}
STATE: tuple[int, str, list[tuple[str, str]]] = (409, "/problems/wrong-state", [])


async def booking_of(gym: Gym, booking: Json) -> Json:
    """Read a booking again."""
    return await gym.read(f"bookings/{booking['id']}")


class TestWaitlistFirst:
    """An athlete in the waitlist who is free by now gets a free seat before somebody new."""

    async def waiting(
        self, gym: Gym, capacity: int = 1, number: int = 1
    ) -> tuple[Json, list[Json]]:
        """Return a training with free seats, whose waitlist could not take them, but now can."""
        training, beside = await gym.training(capacity=capacity), await gym.training()
        seats = await gym.book(training, *await gym.athletes(capacity))
        places = await gym.book(training, *await gym.athletes(number))
        elsewhere = await gym.book(beside, *(one["athlete"]["id"] for one in places))
        for booking in (*seats, *elsewhere):
            await gym.acted(booking, "cancel")
        assert await gym.seats(training) == (capacity, 0, number, capacity)
        return training, places

    async def test_a_new_booking_gives_a_free_seat_to_the_waitlist(self, gym: Gym) -> None:
        training, (first, second) = await self.waiting(gym, number=2)

        (new,) = await gym.book(training, await gym.athlete())

        promoted = await booking_of(gym, first)
        assert promoted == first | {
            "version": 2,
            "updated_at": promoted["updated_at"],
            "status": "reserved",
        }
        assert await booking_of(gym, second) == second
        assert new["status"] == "waitlisted"
        assert await gym.seats(training) == (1, 1, 2, 0)
        events = (await gym.read(f"events?resource_id={first['id']}"))["items"]
        assert sorted(one["type"] for one in events) == ["booking.created", "booking.promoted"]

    async def test_somebody_new_gets_a_seat_that_is_left(self, gym: Gym) -> None:
        training, _ = await self.waiting(gym, capacity=3, number=2)

        (new,) = await gym.book(training, await gym.athlete())

        assert new["status"] == "reserved"
        assert await gym.statuses(training) == ["cancelled"] * 3 + ["reserved"] * 3

    async def test_an_athlete_who_is_still_busy_is_passed_over(self, gym: Gym) -> None:
        training, places = await self.waiting(gym, number=2)
        await gym.book(await gym.training(), places[0]["athlete"]["id"])

        (new,) = await gym.book(training, await gym.athlete())

        assert new["status"] == "waitlisted"
        assert await gym.statuses(training) == [
            "cancelled",
            "waitlisted",
            "reserved",
            "waitlisted",
        ]

    @pytest.mark.parametrize("error", ["training-full", "athlete-busy", "already-taken"])
    async def test_the_waitlist_keeps_its_seats_if_the_new_booking_is_refused(
        self, gym: Gym, error: str
    ) -> None:
        training, (place,) = await self.waiting(gym, capacity=2 if error == "athlete-busy" else 1)
        athlete_id = await gym.athlete()
        if error == "athlete-busy":
            await gym.book(await gym.training(), athlete_id)
        if error == "already-taken":
            athlete_id = place["athlete"]["id"]

        refused = await gym.ask(training, athlete_id, waitlist=False)

        blamed = {"athlete-busy": "busy", "already-taken": "taken"}.get(error)
        errors = [("/athlete_id", blamed)] if blamed else []
        assert problem(refused) == (409, f"/problems/{error}", errors)
        assert (await booking_of(gym, place))["status"] == "reserved"

    async def test_a_refused_booking_with_an_idempotency_key_changes_nothing(
        self, gym: Gym
    ) -> None:
        training, (place,) = await self.waiting(gym)
        url = f"{API}/trainings/{training['id']}/bookings"
        wish = {"athlete_id": await gym.athlete(), "waitlist": False}

        refused = await gym.client.post(url, json=wish, headers={"Idempotency-Key": "once"})

        assert problem(refused) == (409, "/problems/training-full", [])
        assert await booking_of(gym, place) == place


class TestWalkIn:
    @pytest.mark.parametrize("role", ["coach", "desk"])
    async def test_staff_add_a_walk_in_after_the_start(
        self, gym: Gym, let_pass: Pass, log_in: LogIn, role: str
    ) -> None:
        training = await gym.training()
        athlete_id = await gym.athlete(name="Mara", centre_ids=[gym.centre_id])
        await let_pass(SOON)
        gym.client = await log_in(role)

        (booking,) = await gym.book(training, athlete_id)

        assert booking == {
            **booking,
            "version": 1,
            "status": "checked_in",
            "checked_out_at": None,
            "cancelled_at": None,
            "no_show": False,
            "expired": False,
            "late": False,
        }
        assert booking["checked_in_at"] == booking["booked_at"]
        assert await gym.seats(training) == (10, 1, 0, 9)

    async def test_an_athlete_cannot_book_after_the_start(
        self, gym: Gym, let_pass: Pass, log_in: LogIn
    ) -> None:
        athlete_id = await gym.athlete(centre_ids=[gym.centre_id])
        training = await gym.training()
        gym.client = await log_in("member", athlete_id=athlete_id)
        await let_pass(SOON)

        late = await gym.ask(training, athlete_id)

        assert problem(late) == STATE
        assert await gym.seats(training) == (10, 0, 0, 10)

    @pytest.mark.parametrize(
        ("passed", "status"), [(SOON + HOUR + WEEK - MINUTE, 201), (SOON + HOUR + WEEK, 409)]
    )
    async def test_a_walk_in_is_added_until_a_week_after_the_end(
        self, gym: Gym, let_pass: Pass, passed: timedelta, status: int
    ) -> None:
        training, athlete_id = await gym.training(), await gym.athlete()
        await let_pass(passed)

        response = await gym.ask(training, athlete_id)

        assert response.status_code == status
        if status == 201:
            assert response.json()["checked_in_at"] == response.json()["training"]["starts_at"]
        else:
            assert problem(response) == STATE
            assert response.json()["detail"] == (
                "This training ended more than 7 days ago: its attendance is settled."
            )

    async def test_an_athlete_who_waits_keeps_the_booking(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training(capacity=1)
        seat, place, last = await gym.book(training, *await gym.athletes(3))
        await let_pass(SOON)
        full = await gym.ask(training, place["athlete"]["id"])
        await gym.client.patch(f"{API}/trainings/{training['id']}", json={"capacity": 2})

        came = await gym.ask(training, place["athlete"]["id"])

        assert problem(full) == (409, "/problems/training-full", [])
        booking = came.json()
        assert booking == place | {
            "version": 2,
            "updated_at": booking["updated_at"],
            "training": booking["training"],
            "status": "checked_in",
            "checked_in_at": booking["checked_in_at"],
        }
        assert came.headers["Location"] == f"{API}/bookings/{place['id']}"
        assert booking["checked_in_at"] > place["booked_at"]
        assert await gym.statuses(training) == ["reserved", "checked_in", "waitlisted"]
        assert await gym.seats(training) == (2, 2, 1, 0)
        for one, error in ((seat, "already-taken"), (place, "already-taken")):
            again = await gym.ask(training, one["athlete"]["id"])
            assert conflict(again) == (f"/problems/{error}", "/athlete_id")
        assert problem(await gym.ask(training, last["athlete"]["id"]))[1].endswith("training-full")

    async def test_a_walk_in_takes_a_free_seat_before_the_waitlist(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        training = await gym.training(capacity=1)
        await gym.book(training, *await gym.athletes(2))
        await let_pass(SOON)
        await gym.client.patch(f"{API}/trainings/{training['id']}", json={"capacity": 2})

        await gym.book(training, await gym.athlete())

        assert await gym.statuses(training) == ["reserved", "waitlisted", "checked_in"]

    async def test_a_walk_in_with_a_seat_elsewhere_is_refused(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        training, beside = await gym.training(capacity=1), await gym.training()
        seat, place = await gym.book(training, *await gym.athletes(2))
        await gym.book(beside, place["athlete"]["id"])
        await gym.book(beside, athlete_id := await gym.athlete())
        await let_pass(SOON)
        await gym.client.patch(f"{API}/trainings/{training['id']}", json={"capacity": 3})

        for whom in (athlete_id, place["athlete"]["id"]):
            busy = await gym.ask(training, whom)
            assert conflict(busy) == ("/problems/athlete-busy", "/athlete_id")
        assert (await booking_of(gym, place))["version"] == 1
        assert (await booking_of(gym, seat))["version"] == 1


class TestLateCheckIn:
    @pytest.mark.parametrize("passed", [SOON + HOUR, SOON + HOUR + WEEK - MINUTE])
    async def test_staff_note_a_check_in_after_the_end(
        self, gym: Gym, let_pass: Pass, log_in: LogIn, passed: timedelta
    ) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await let_pass(passed)
        assert (await booking_of(gym, booking))["no_show"] is True
        gym.client = await log_in("desk")

        noted = await gym.acted(booking, "check-in")

        assert noted == booking | {
            "version": 2,
            "updated_at": noted["updated_at"],
            "training": noted["training"],
            "status": "checked_in",
            "checked_in_at": noted["training"]["starts_at"],
        }
        assert await gym.acted(booking, "check-in") == noted

    async def test_no_check_in_is_noted_a_week_after_the_end(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        training = await gym.training()
        came, missed = await gym.book(training, *await gym.athletes(2))
        await gym.acted(came, "check-in")
        await let_pass(SOON + HOUR + WEEK)

        for booking, action in ((missed, "check-in"), (came, "undo-check-in")):
            late = await gym.act(booking, action)
            assert problem(late) == STATE
            assert late.json()["detail"] == (
                "This training ended more than 7 days ago: its attendance is settled."
            )
        assert (await gym.acted(came, "check-in"))["version"] == 2
        assert (await gym.acted(missed, "undo-check-in"))["version"] == 1

    async def test_a_device_notes_no_check_in_after_the_end(
        self, gym: Gym, let_pass: Pass, log_in: LogIn
    ) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete(reference="M-1"))
        await let_pass(SOON + HOUR)
        gym.client = await log_in("device")

        for late in (
            await gym.act(booking, "check-in"),
            await gym.come(training, "M-1", gym.client),
        ):
            assert problem(late) == STATE
            assert late.json()["detail"] == "This training has ended."
        await let_pass(timedelta(days=2))
        assert not_found(await gym.act(booking, "check-in"))


class TestUndoCheckIn:
    async def test_a_check_in_is_undone_with_its_check_out(
        self, gym: Gym, let_pass: Pass, log_in: LogIn
    ) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        for action in ("check-in", "check-out"):
            await gym.acted(booking, action)
        await let_pass(SOON + HOUR + WEEK - MINUTE)
        gym.client = await log_in("desk")

        undone = await gym.acted(booking, "undo-check-in")

        assert undone == booking | {
            "version": 4,
            "updated_at": undone["updated_at"],
            "training": undone["training"],
            "no_show": True,
        }
        assert await gym.acted(booking, "undo-check-in") == undone
        assert (await gym.acted(booking, "check-in"))["version"] == 5
        gym.client = await log_in("owner")
        (event, *_) = (await gym.read(f"events?resource_id={booking['id']}&limit=2"))["items"]
        assert event["type"] == "booking.checked_in"

    async def test_only_staff_undo_a_check_in(self, gym: Gym, log_in: LogIn) -> None:
        training = await gym.training()
        athlete_id = await gym.athlete(centre_ids=[gym.centre_id])
        (booking,) = await gym.book(training, athlete_id)
        checked_in = await gym.acted(booking, "check-in")
        staff = gym.client

        for role in ("member", "device"):
            fields: Json = {"athlete_id": athlete_id} if role == "member" else WRITES
            gym.client = await log_in(role, **fields)
            refused = await gym.act(booking, "undo-check-in")
            assert problem(refused) == (403, "/problems/forbidden", [])
        gym.client = staff
        assert await booking_of(gym, booking) == checked_in


class TestDoor:
    @pytest.mark.parametrize("role", ["device", "desk"])
    async def test_a_scanner_checks_in_an_athlete_with_a_seat(
        self, gym: Gym, log_in: LogIn, role: str
    ) -> None:
        training = await gym.training(capacity=1)
        (booking,) = await gym.book(training, await gym.athlete(reference="M-1"))
        scanner = await log_in(role)

        first, again = [
            await gym.come(training, reference, scanner) for reference in ("M-1", " M-1 ")
        ]

        assert first.status_code == 200
        checked_in = first.json()
        assert checked_in == booking | {
            "version": 2,
            "updated_at": checked_in["updated_at"],
            "status": "checked_in",
            "checked_in_at": checked_in["checked_in_at"],
        }
        assert checked_in["checked_in_at"] > booking["booked_at"]
        assert (again.status_code, again.json()) == (200, checked_in)
        assert first.headers["ETag"] == again.headers["ETag"]

    async def test_a_scanner_that_may_book_adds_a_walk_in(self, gym: Gym, log_in: LogIn) -> None:
        training = await gym.training(capacity=1)
        athlete_id = await gym.athlete(reference="M-1", name="Mara", centre_ids=[gym.centre_id])
        scanner = await log_in("device", **WRITES)

        first, again = [await gym.come(training, "M-1", scanner) for _ in range(2)]

        booking = first.json()
        assert first.status_code == 200
        assert booking == {
            "id": booking["id"],
            "version": 1,
            "created_at": booking["created_at"],
            "updated_at": booking["created_at"],
            "training": booking["training"],
            "athlete": {"id": athlete_id, "name": "Mara"},
            "status": "checked_in",
            "booked_at": booking["booked_at"],
            "checked_in_at": booking["booked_at"],
            "checked_out_at": None,
            "cancelled_at": None,
            "no_show": False,
            "expired": False,
            "late": False,
            "drop_in": False,
        }
        assert booking["training"]["id"] == training["id"]
        assert (again.status_code, again.json()) == (200, booking)
        assert await gym.seats(training) == (1, 1, 0, 0)

    async def test_a_walk_in_is_not_found_without_a_right_to_book_them(
        self, gym: Gym, log_in: LogIn
    ) -> None:
        training = await gym.training()
        await gym.athlete(reference="enrolled", centre_ids=[gym.centre_id])
        await gym.athlete(reference="elsewhere")
        nowhere = {"id": new_id()}

        async def answers(client: Any) -> list[int]:
            asked = [(training, "enrolled"), (training, "elsewhere"), (training, "nobody")]
            got = [await gym.come(*one, client) for one in [*asked, (nowhere, "enrolled")]]
            assert all(not_found(one) for one in got if one.status_code != 200)
            return [one.status_code for one in got]

        assert await answers(await log_in("device")) == [404] * 4
        assert await gym.seats(training) == (10, 0, 0, 10)
        desk = await log_in("desk")
        assert await answers(desk) == [200, 404, 404, 404]
        assert await answers(gym.client) == [200, 200, 404, 404]

    async def test_the_rules_of_a_walk_in_hold_at_the_door(
        self, gym: Gym, let_pass: Pass, log_in: LogIn
    ) -> None:
        early, full = await gym.training(2 * HOUR), await gym.training(capacity=1)
        cancelled, free = await gym.training(), await gym.training()
        await gym.client.post(f"{API}/trainings/{cancelled['id']}/cancel")
        athlete_id = await gym.athlete(reference="M-1", centre_ids=[gym.centre_id])
        _, place = await gym.book(full, await gym.athlete(), athlete_id)
        scanner = await log_in("device", **WRITES)

        too_early = await gym.come(early, "M-1", scanner)
        assert problem(too_early) == STATE
        assert too_early.json()["detail"] == (
            "It is too early: check-in opens an hour before the start."
        )
        assert problem(await gym.come(cancelled, "M-1", scanner)) == STATE
        for _ in range(2):  # before the start, and after it
            refused = await gym.come(full, "M-1", scanner)
            assert problem(refused) == (409, "/problems/training-full", [])
            await let_pass(SOON)
        assert (await gym.come(free, "M-1", scanner)).status_code == 200
        await gym.client.patch(f"{API}/trainings/{full['id']}", json={"capacity": 2})
        busy = await gym.come(full, "M-1", scanner)
        assert conflict(busy) == ("/problems/athlete-busy", "/athlete_id")
        assert (await booking_of(gym, place))["version"] == 1

    async def test_the_waitlist_is_served_before_a_walk_in_at_the_door(
        self, gym: Gym, log_in: LogIn
    ) -> None:
        training, (first, second) = await TestWaitlistFirst().waiting(gym, number=2)
        for number, place in enumerate((first, second)):
            url = f"{API}/athletes/{place['athlete']['id']}"
            fields = {"reference": f"M-{number}", "centre_ids": [gym.centre_id]}
            await gym.client.patch(url, json=fields)
        scanner = await log_in("device", **WRITES)

        full = await gym.come(training, "M-1", scanner)
        came = await gym.come(training, "M-0", scanner)

        assert problem(full) == (409, "/problems/training-full", [])
        assert (came.status_code, came.json()["id"]) == (200, first["id"])
        assert came.json()["version"] == 3
        assert await gym.statuses(training) == ["cancelled", "checked_in", "waitlisted"]

    async def test_the_first_in_the_waitlist_gets_a_seat_at_the_door(self, gym: Gym) -> None:
        training, (place,) = await TestWaitlistFirst().waiting(gym)
        url = f"{API}/athletes/{place['athlete']['id']}"
        await gym.client.patch(url, json={"reference": "M-1"})

        came = await gym.come(training, "M-1", gym.client)

        assert (came.status_code, came.json()["id"]) == (200, place["id"])
        assert (came.json()["status"], came.json()["version"]) == ("checked_in", 3)
        assert await gym.seats(training) == (1, 1, 0, 0)

    async def test_a_device_checks_in_only_today_and_an_athlete_never(
        self, gym: Gym, log_in: LogIn
    ) -> None:
        tomorrow = await gym.training(timedelta(days=2))
        athlete_id = await gym.athlete(reference="M-1", centre_ids=[gym.centre_id])
        await gym.book(tomorrow, athlete_id)

        device = await log_in("device", **WRITES)
        member = await log_in("member", athlete_id=athlete_id)
        for client in (device, member):
            refused = await gym.come(tomorrow, "M-1", client)
            assert problem(refused) == (403, "/problems/forbidden", [])
        elsewhere = await gym.create("centres", {"name": "Other"})
        foreign = await gym.training(centre_id=elsewhere["id"])
        assert not_found(await gym.come(foreign, "M-1", device))


class TestRulesOfTheCentre:
    @pytest.fixture
    async def member(self, gym: Gym, log_in: LogIn) -> Gym:
        """Provide a gym whose client is an athlete there."""
        athlete_id = await gym.athlete(centre_ids=[gym.centre_id])
        client = await log_in("member", athlete_id=athlete_id)
        self.athlete_id = athlete_id
        self.staff, gym.client = gym.client, client
        return gym

    async def rule(self, gym: Gym, **rules: int | str) -> None:
        url = f"{API}/centres/{gym.centre_id}"
        assert (await self.staff.patch(url, json=rules)).status_code == 200

    @pytest.mark.parametrize(
        ("start", "is_late"), [(2 * HOUR - MINUTE, True), (2 * HOUR + MINUTE, False)]
    )
    async def test_a_late_cancellation_is_marked(
        self, member: Gym, start: timedelta, is_late: bool
    ) -> None:
        await self.rule(member, late_cancel_minutes=120)
        (booking,) = await member.book(await member.training(start), self.athlete_id)

        cancelled = await member.acted(booking, "cancel")

        assert cancelled == booking | {
            "version": 2,
            "updated_at": cancelled["updated_at"],
            "status": "cancelled",
            "cancelled_at": cancelled["cancelled_at"],
            "late": is_late,
        }

    async def test_other_cancellations_are_never_late(self, member: Gym) -> None:
        (before,) = await member.book(await member.training(2 * HOUR), self.athlete_id)
        assert (await member.acted(before, "cancel"))["late"] is False  # no rule yet
        await self.rule(member, late_cancel_minutes=10_080)
        full = await member.training(capacity=1)
        url = f"{API}/trainings/{full['id']}/bookings"
        await self.staff.post(url, json={"athlete_id": await member.athlete()})
        (place,) = await member.book(full, self.athlete_id)
        (seat,) = await member.book(await member.training(), self.athlete_id)

        assert (await member.acted(place, "cancel"))["late"] is False
        member.client = self.staff
        assert (await member.acted(seat, "cancel"))["late"] is False

    async def test_an_athlete_cannot_book_before_the_window_opens(self, member: Gym) -> None:
        await self.rule(member, booking_window_days=2)
        two_days = timedelta(days=2)
        open_, closed = [
            await member.training(two_days + more) for more in (-MINUTE, HOUR + MINUTE)
        ]

        early = await member.ask(closed, self.athlete_id)

        assert problem(early) == STATE
        opens_at = at(member.opened + HOUR + MINUTE)
        assert early.json()["detail"] == f"It is too early: booking opens at {opens_at}."
        await member.book(open_, self.athlete_id)
        member.client = self.staff
        await member.book(closed, self.athlete_id)

    async def test_the_window_opens_at_the_same_local_time(self, member: Gym) -> None:
        await self.rule(member, booking_window_days=7, time_zone="Europe/Berlin")
        # Summer time begins on 29 March.
        times: Json = {
            "starts_at": "2099-03-31T18:00:00+02:00",
            "ends_at": "2099-03-31T19:00:00+02:00",
        }
        training = await member.training(**times)

        early = await member.ask(training, self.athlete_id)

        assert early.json()["detail"] == (
            "It is too early: booking opens at 2099-03-24T17:00:00.000000Z."
        )
