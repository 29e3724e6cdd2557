"""Trainings: scheduling, reading, listing, changing, cancelling and deleting them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from app.conftest import API, Create, Json, client_of, conflict, not_found, problem
from app.core.resources.fields import new_id
from app.core.settings import Settings
from app.identity.tokens.callers import Callers
from app.trainings.tests.conftest import HOUR, SOON, Gym, LogIn, Pass, at

URL = f"{API}/trainings"
DAY = timedelta(days=1)


@pytest.fixture
def timetable(app: FastAPI, client: AsyncClient) -> Iterator[None]:
    """Let everybody read the timetable."""
    before = app.state.settings
    app.state.settings = Settings.model_construct(public_read=("timetable",))
    app.state.callers = Callers(app.state.issuer, app.state.settings.public_read)
    yield
    app.state.settings = before


def names(page: Json) -> list[str]:
    return [training["name"] for training in page["items"]]


class TestCreate:
    async def test_a_training_includes_its_centre_and_its_seats(
        self, client: AsyncClient, gym: Gym
    ) -> None:
        plan = gym.plan(name=" Morning  WOD ", coach="Ana", capacity=12)
        plan["starts_at"] = "2026-12-01T18:00:00+01:00"
        plan["ends_at"] = "2026-12-01T19:00:00.5+01:00"

        response = await client.post(URL, json=plan)

        created = response.json()
        assert response.status_code == 201
        assert response.headers["Location"] == f"{URL}/{created['id']}"
        assert created == {
            "id": created["id"],
            "version": 1,
            "created_at": created["created_at"],
            "updated_at": created["created_at"],
            "name": "Morning WOD",
            "coach": "Ana",
            "starts_at": "2026-12-01T17:00:00.000000Z",
            "ends_at": "2026-12-01T18:00:00.500000Z",
            "capacity": 12,
            "status": "scheduled",
            "centre": {"id": gym.centre_id, "name": "Box"},
            "seats": {"capacity": 12, "taken": 0, "waiting": 0, "over": 0, "available": 12},
            "series_id": None,
            "changed_alone": False,
            "moved_from": None,
            "programme": [],
        }
        assert (await client.get(response.headers["Location"])).json() == created

    @pytest.mark.parametrize(
        ("sent", "stored"),
        [
            ("2126-12-01T18:00:00Z", "2126-12-01T18:00:00.000000Z"),
            ("2126-12-01T18:00:00.5+01:00", "2126-12-01T17:00:00.500000Z"),
            ("2126-12-01T18:00:00.0000000Z", "2126-12-01T18:00:00.000000Z"),  # C# writes 7 digits
            ("2126-12-01T18:00:00.123456789Z", "2126-12-01T18:00:00.123456Z"),  # Go writes 9
            ("2126-12-01T23:59:59.9999999999Z", "2126-12-01T23:59:59.999999Z"),
            ("2126-12-01t18:00:00.000000000000001z", "2126-12-01T18:00:00.000000Z"),
        ],
    )
    async def test_a_time_may_have_any_number_of_digits_and_is_kept_to_the_microsecond(
        self, client: AsyncClient, gym: Gym, sent: str, stored: str
    ) -> None:
        plan = gym.plan() | {"starts_at": sent, "ends_at": "2126-12-02T00:00:00Z"}

        response = await client.post(URL, json=plan)

        assert (response.status_code, response.json()["starts_at"]) == (201, stored)

    @pytest.mark.parametrize(
        ("length", "status"),
        [
            (timedelta(microseconds=1), 201),
            (DAY, 201),
            (timedelta(0), 422),
            (-HOUR, 422),
            (DAY + timedelta(microseconds=1), 422),
        ],
    )
    async def test_a_training_must_end_after_its_start_within_24_hours(
        self, client: AsyncClient, gym: Gym, length: timedelta, status: int
    ) -> None:
        response = await client.post(URL, json=gym.plan(length=length))

        assert response.status_code == status
        if status == 422:
            assert problem(response) == (422, "/problems/invalid", [("/ends_at", "span")])

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("starts_at", "2026-12-01T18:00:00", "datetime_type"),
            ("starts_at", "2026-12-01 18:00:00Z", "datetime_type"),
            ("starts_at", "2026-12-01", "datetime_type"),
            ("starts_at", 1764608400, "datetime_type"),
            ("starts_at", "2026-02-30T18:00:00Z", "no_such_moment"),
            ("starts_at", "0001-01-01T00:00:00+14:00", "datetime_out_of_range"),
            ("starts_at", "9999-12-31T23:59:59-14:00", "datetime_out_of_range"),
            ("starts_at", "1900-01-01T00:00:00+00:01", "datetime_out_of_range"),
            ("starts_at", "2199-12-31T23:59:59-00:01", "datetime_out_of_range"),
            ("ends_at", None, "datetime_type"),
            ("capacity", 0, "greater_than_equal"),
            ("capacity", 1001, "less_than_equal"),
            ("capacity", "12", "number_type"),
            ("name", " ", "text_empty"),
            ("name", "x" * 101, "text_too_long"),
            ("coach", "x" * 101, "text_too_long"),
            ("centre_id", "1", "uuid"),
            ("status", "cancelled", "extra_forbidden"),
            ("taken", 3, "extra_forbidden"),
        ],
    )
    async def test_an_invalid_field_is_refused(
        self, client: AsyncClient, gym: Gym, field: str, value: Any, code: str
    ) -> None:
        response = await client.post(URL, json=gym.plan(**{field: value}))

        assert problem(response) == (422, "/problems/invalid", [(f"/{field}", code)])

    async def test_an_unknown_centre_is_a_conflict(self, client: AsyncClient, gym: Gym) -> None:
        response = await client.post(URL, json=gym.plan(centre_id=str(new_id())))

        assert conflict(response) == ("/problems/reference-missing", "/centre_id")

    async def test_the_same_key_schedules_once(self, client: AsyncClient, gym: Gym) -> None:
        first, again = [
            await client.post(URL, json=gym.plan(), headers={"Idempotency-Key": "once"})
            for _ in range(2)
        ]

        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"
        assert (await gym.read("trainings?total=true"))["total"] == 1


class TestCentreCapacity:
    """Overlapping trainings cannot have more seats than the capacity of their centre."""

    @pytest.fixture
    async def small(self, gym: Gym) -> Gym:
        changed = await gym.client.patch(f"{API}/centres/{gym.centre_id}", json={"capacity": 20})
        assert changed.status_code == 200
        return gym

    async def test_trainings_may_overlap_up_to_the_capacity(self, small: Gym) -> None:
        await small.training(capacity=12)
        await small.training(SOON + HOUR / 2, capacity=8)

        full = await small.client.post(URL, json=small.plan(SOON + HOUR / 2, capacity=1))

        assert conflict(full) == ("/problems/centre-full", "/capacity")

    async def test_consecutive_trainings_may_each_use_the_whole_capacity(self, small: Gym) -> None:
        for number in (0, 2, 1):
            await small.training(SOON + number * HOUR, capacity=20)

    async def test_the_maximum_of_seats_at_one_time_counts(self, small: Gym) -> None:
        await small.training(SOON, HOUR, capacity=10)
        await small.training(SOON + HOUR, HOUR, capacity=10)

        await small.training(SOON, 2 * HOUR, capacity=10)

        full = await small.client.post(URL, json=small.plan(SOON, 2 * HOUR, capacity=1))
        assert conflict(full) == ("/problems/centre-full", "/capacity")

    async def test_trainings_that_are_cancelled_or_at_other_centres_do_not_count(
        self, small: Gym, create: Create
    ) -> None:
        other = await create("centres", {"name": "Other", "capacity": 20})
        cancelled = await small.training(capacity=20)
        await small.client.post(f"{URL}/{cancelled['id']}/cancel")
        await small.training(capacity=20, centre_id=other["id"])

        await small.training(capacity=20)

    @pytest.mark.parametrize("change", ["starts_at", "capacity", "centre_id"])
    async def test_a_changed_training_must_fit_the_capacity(
        self, small: Gym, create: Create, change: str
    ) -> None:
        other = await create("centres", {"name": "Other"})
        await small.training(capacity=15)
        moved = await small.training(
            SOON + HOUR,
            capacity=10,
            centre_id=other["id"] if change == "centre_id" else small.centre_id,
        )
        changes = {
            "starts_at": {"starts_at": at(small.opened + SOON + HOUR / 2)},
            "capacity": {"capacity": 21},
            "centre_id": {
                "centre_id": small.centre_id,
                "starts_at": at(small.opened + SOON),
            },
        }

        response = await small.client.patch(f"{URL}/{moved['id']}", json=changes[change])

        # The error names a field only if the request has it.
        blamed = [("/capacity", "at_once")] if change == "capacity" else []
        assert problem(response) == (409, "/problems/centre-full", blamed)
        assert await small.read(f"trainings/{moved['id']}") == moved

    async def test_the_capacity_cannot_be_reduced_below_the_planned_seats(self, small: Gym) -> None:
        await small.training(capacity=8)
        await small.training(SOON + HOUR / 2, capacity=7)
        centre = f"{API}/centres/{small.centre_id}"

        too_small = await small.client.patch(centre, json={"capacity": 14})

        assert conflict(too_small) == ("/problems/centre-full", "/capacity")
        assert (await small.client.patch(centre, json={"capacity": 15})).status_code == 200
        assert (await small.client.patch(centre, json={"capacity": None})).status_code == 200

    async def test_the_capacity_may_be_reduced_below_the_seats_of_past_trainings(
        self, small: Gym
    ) -> None:
        await small.training(-2 * HOUR, capacity=20)
        await small.training(-HOUR / 2, capacity=5)
        centre = f"{API}/centres/{small.centre_id}"

        assert (await small.client.patch(centre, json={"capacity": 4})).status_code == 409
        assert (await small.client.patch(centre, json={"capacity": 5})).status_code == 200

    async def test_a_training_over_a_reduced_capacity_may_stay_or_become_smaller(
        self, small: Gym
    ) -> None:
        training = await small.training(-2 * HOUR, capacity=10)
        await small.client.patch(f"{API}/centres/{small.centre_id}", json={"capacity": 5})
        url = f"{URL}/{training['id']}"

        same = {field: training[field] for field in ("starts_at", "ends_at", "capacity")}
        assert (await small.client.patch(url, json={**same, "name": "New"})).status_code == 200
        assert (await small.client.patch(url, json={"capacity": 8})).status_code == 200
        larger = await small.client.patch(url, json={"capacity": 9})
        assert conflict(larger) == ("/problems/centre-full", "/capacity")

    async def test_a_first_capacity_below_the_planned_seats_is_refused(self, gym: Gym) -> None:
        await gym.training(capacity=30)

        limited = await gym.client.patch(f"{API}/centres/{gym.centre_id}", json={"capacity": 29})

        assert conflict(limited) == ("/problems/centre-full", "/capacity")


class TestList:
    @pytest.fixture
    async def week(self, gym: Gym, create: Create) -> Gym:
        other = await create("centres", {"name": "Other"})
        await gym.training(3 * DAY, name="three", centre_id=other["id"])
        await gym.training(DAY, name="one", capacity=1)
        await gym.training(2 * DAY, name="two")
        await gym.training(-DAY, name="yesterday")
        cancelled = await gym.training(4 * DAY, name="four")
        await gym.client.post(f"{URL}/{cancelled['id']}/cancel")
        full = await gym.training(5 * DAY, name="full", capacity=1)
        await gym.book(full, await gym.athlete())
        return gym

    async def test_trainings_are_sorted_by_start(self, week: Gym) -> None:
        in_order = ["yesterday", "one", "two", "three", "four", "full"]

        assert names(await week.read("trainings")) == in_order
        assert names(await week.read("trainings?sort=starts_at")) == in_order
        assert names(await week.read("trainings?sort=-starts_at")) == in_order[::-1]

    async def test_trainings_are_filtered_by_centre_time_status_and_free_seats(
        self, week: Gym
    ) -> None:
        def moment(days: int) -> str:
            return at(week.opened + days * DAY)

        here = f"centre_id={week.centre_id}"
        for query, expected in {
            f"{here}&sort=-starts_at": ["full", "four", "two", "one", "yesterday"],
            f"from={moment(2)}": ["two", "three", "four", "full"],
            f"to={moment(2)}": ["yesterday", "one"],
            f"from={moment(1)}&to={moment(3)}": ["one", "two"],
            f"from={moment(2).replace('Z', '%2B00:00')}&to={moment(3)}": ["two"],
            "status=cancelled": ["four"],
            "status=scheduled&available=false": ["yesterday", "one", "two", "three", "full"],
            "available=true": ["one", "two", "three"],
            f"available=true&{here}": ["one", "two"],
            f"centre_id={new_id()}": [],
        }.items():
            assert names(await week.read(f"trainings?{query}")) == expected, query

    @pytest.mark.parametrize("sort", ["starts_at", "-starts_at"])
    async def test_all_pages_together_have_each_training_once(self, week: Gym, sort: str) -> None:
        every = names(await week.read(f"trainings?sort={sort}"))
        met = []

        following = f"{URL}?sort={sort}&limit=2&total=true"
        while following:
            page = (await week.client.get(following)).json()
            assert page["total"] == 6
            met += names(page)
            following = page["next"]

        assert met == every

    @pytest.mark.parametrize(
        ("query", "pointer", "code"),
        [
            ("sort=name", "?sort", "literal_error"),
            ("name=one", "?name", "extra_forbidden"),
            ("from_=2026-12-01T18:00:00Z", "?from_", "extra_forbidden"),
            ("from=2026-12-01T18:00:00", "?from", "datetime_type"),
            ("from=2026-12-01T18:00:00+01:00", "?from", "datetime_type"),
            ("to=tomorrow", "?to", "datetime_type"),
            ("status=full", "?status", "literal_error"),
            ("available=1", "?available", "bool_parsing"),
            ("centre_id=1", "?centre_id", "uuid"),
        ],
    )
    async def test_an_invalid_parameter_is_refused(
        self, client: AsyncClient, query: str, pointer: str, code: str
    ) -> None:
        response = await client.get(f"{URL}?{query}")

        assert problem(response) == (422, "/problems/invalid", [(pointer, code)])


class TestUpdate:
    async def test_only_the_given_fields_change(self, gym: Gym) -> None:
        training = await gym.training(coach="Ana")

        changed = await gym.client.patch(
            f"{URL}/{training['id']}", json={"name": "Open gym", "coach": None, "capacity": 11}
        )

        assert changed.json() == training | {
            "version": 2,
            "updated_at": changed.json()["updated_at"],
            "name": "Open gym",
            "coach": None,
            "capacity": 11,
            "seats": {"capacity": 11, "taken": 0, "waiting": 0, "over": 0, "available": 11},
        }

    async def test_an_update_without_changes_keeps_the_version(self, gym: Gym) -> None:
        training = await gym.training()
        same = {field: training[field] for field in ("name", "starts_at", "ends_at", "capacity")}

        changed = await gym.client.patch(
            f"{URL}/{training['id']}", json={**same, "centre_id": gym.centre_id}
        )

        assert changed.json() == training

    @pytest.mark.parametrize("payload", [{"capacity": 3}, {"name": "New"}])
    async def test_a_stale_etag_is_refused(self, gym: Gym, payload: Json) -> None:
        training = await gym.training()
        url = f"{URL}/{training['id']}"
        tag = (await gym.client.get(url)).headers["ETag"]

        answers = [
            await gym.client.patch(url, json=payload, headers={"If-Match": tag}) for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [200, 412]

    async def test_a_booking_changes_the_etag_but_not_the_version(self, gym: Gym) -> None:
        training = await gym.training()
        url = f"{URL}/{training['id']}"
        before = (await gym.client.get(url)).headers["ETag"]
        await gym.book(training, await gym.athlete())

        after = await gym.client.get(url, headers={"If-None-Match": before})
        changed = await gym.client.patch(url, json={"capacity": 2}, headers={"If-Match": before})

        assert (after.status_code, after.json()["version"]) == (200, 1)
        assert changed.status_code == 200

    async def test_the_resulting_training_must_be_valid(self, gym: Gym) -> None:
        training = await gym.training()

        response = await gym.client.patch(
            f"{URL}/{training['id']}", json={"ends_at": training["starts_at"]}
        )

        assert problem(response) == (422, "/problems/invalid", [("/ends_at", "span")])

    async def test_an_unknown_training_is_not_found_and_an_unknown_centre_a_conflict(
        self, gym: Gym
    ) -> None:
        training = await gym.training()
        nowhere = {"centre_id": str(new_id())}

        assert not_found(await gym.client.patch(f"{URL}/{new_id()}", json={"capacity": 2}))
        assert not_found(await gym.client.patch(f"{URL}/{new_id()}", json=nowhere))
        missing = await gym.client.patch(f"{URL}/{training['id']}", json=nowhere)
        assert conflict(missing) == ("/problems/reference-missing", "/centre_id")

    async def test_additional_seats_go_to_the_waitlist(self, gym: Gym) -> None:
        training = await gym.training(capacity=1)
        bookings = await gym.book(training, *await gym.athletes(4))

        more = await gym.client.patch(f"{URL}/{training['id']}", json={"capacity": 3})

        assert more.json()["version"] == 2
        assert more.json()["seats"] == {
            "capacity": 3,
            "taken": 3,
            "waiting": 1,
            "over": 0,
            "available": 0,
        }
        assert await gym.statuses(training) == ["reserved"] * 3 + ["waitlisted"]
        promoted = await gym.read(f"bookings/{bookings[1]['id']}")
        assert promoted == bookings[1] | {
            "version": 2,
            "updated_at": promoted["updated_at"],
            "status": "reserved",
        }

    async def test_no_athlete_is_promoted_after_the_start(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training(capacity=1)
        await gym.book(training, *await gym.athletes(2))
        await let_pass(SOON)

        more = await gym.client.patch(f"{URL}/{training['id']}", json={"capacity": 2})

        assert await gym.seats(training) == (2, 1, 1, 1)
        assert more.json()["version"] == 2


class TestCancel:
    async def test_cancelling_a_training_cancels_its_bookings(self, gym: Gym) -> None:
        training = await gym.training(capacity=2)
        bookings = await gym.book(training, *await gym.athletes(3))
        early = await gym.acted(bookings[0], "check-in")
        left = await gym.acted(bookings[1], "cancel")

        response = await gym.client.post(f"{URL}/{training['id']}/cancel")

        cancelled = response.json()
        assert response.status_code == 200
        assert cancelled == training | {
            "version": 2,
            "updated_at": cancelled["updated_at"],
            "status": "cancelled",
            "seats": {"capacity": 2, "taken": 0, "waiting": 0, "over": 0, "available": 0},
        }
        assert await gym.statuses(training) == ["cancelled"] * 3
        assert await gym.read(f"bookings/{left['id']}") == left | {
            "training": left["training"] | {"status": "cancelled"}
        }
        was_there = await gym.read(f"bookings/{early['id']}")
        assert was_there["checked_in_at"] == early["checked_in_at"]
        assert was_there["version"] == early["version"] + 1

    async def test_cancelling_again_changes_nothing(self, gym: Gym, let_pass: Pass) -> None:
        training = await gym.training()
        first = await gym.client.post(f"{URL}/{training['id']}/cancel")
        await let_pass(HOUR)

        again = await gym.client.post(f"{URL}/{training['id']}/cancel")

        assert again.status_code == 200
        assert again.json()["version"] == first.json()["version"]

    async def test_a_training_cannot_be_cancelled_after_the_start(
        self, gym: Gym, let_pass: Pass
    ) -> None:
        training = await gym.training()
        await let_pass(SOON)

        late = await gym.client.post(f"{URL}/{training['id']}/cancel")

        assert problem(late) == (409, "/problems/wrong-state", [])
        assert not_found(await gym.client.post(f"{URL}/{new_id()}/cancel"))

    async def test_athletes_of_a_cancelled_training_can_book_another(self, gym: Gym) -> None:
        training, other = await gym.training(), await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await gym.client.post(f"{URL}/{training['id']}/cancel")

        await gym.book(other, booking["athlete"]["id"])


class TestProgramme:
    """A single training has the published workouts of its day at its centre."""

    @pytest.fixture
    async def training(self, gym: Gym, create: Create) -> Json:
        url = f"{API}/centres/{gym.centre_id}"
        await gym.client.patch(url, json={"time_zone": "Pacific/Auckland"})
        other = await create("centres", {"name": "Other"})
        # One in the morning of 2 June there.
        times: Json = {"starts_at": "2099-06-01T13:00:00Z", "ends_at": "2099-06-01T14:00:00Z"}
        training = await gym.training(**times)
        self.workouts = [
            await create("workouts", {"name": name, "score_type": "time", "time_cap_ms": 600_000})
            for name in ("Fran", "Hills")
        ]
        self.programmed = []
        for centre_id, workout, date, position, published_at in (
            (gym.centre_id, 1, "2099-06-02", 2, "2026-11-01T00:00:00Z"),
            (gym.centre_id, 0, "2099-06-02", 1, "2026-11-01T00:00:00Z"),
            (gym.centre_id, 0, "2099-06-02", 3, None),
            (gym.centre_id, 0, "2099-06-02", 4, "2099-06-02T00:00:00Z"),
            (gym.centre_id, 0, "2099-06-01", 1, "2026-11-01T00:00:00Z"),
            (other["id"], 0, "2099-06-02", 1, "2026-11-01T00:00:00Z"),
        ):
            row = {
                "workout_id": self.workouts[workout]["id"],
                "date": date,
                "position": position,
                "published_at": published_at,
                "notes": f"Notes {position}",
            }
            self.programmed.append(await create(f"centres/{centre_id}/programme", row))
        return training

    async def test_it_is_that_of_the_local_day_by_position(self, gym: Gym, training: Json) -> None:
        found = await gym.read(f"trainings/{training['id']}")

        content = "id", "name", "description", "score_type", "best", "time_cap_ms", "total_reps"
        assert found == training | {
            "programme": [
                {
                    "id": self.programmed[number]["id"],
                    "position": position,
                    "notes": f"Notes {position}",
                    "workout": {name: workout[name] for name in (*content, "tie_break")},
                }
                for number, position, workout in zip((1, 0), (1, 2), self.workouts, strict=True)
            ]
        }
        renamed = await gym.client.patch(f"{URL}/{training['id']}", json={"name": "New"})
        assert renamed.json()["programme"] == found["programme"]
        (listed,) = (await gym.read("trainings"))["items"]
        assert listed == {
            name: value for name, value in renamed.json().items() if name != "programme"
        }

    async def test_readers_of_the_public_timetable_get_none(
        self, app: FastAPI, gym: Gym, training: Json, log_in: LogIn, timetable: None
    ) -> None:
        elsewhere = await gym.create("centres", {"name": "Elsewhere"})
        foreign = await gym.training(2 * DAY, centre_id=elsewhere["id"])
        athlete_id = await gym.athlete(centre_ids=[gym.centre_id])
        member = await log_in("member", athlete_id=athlete_id)

        async with client_of(app, caller=None) as anybody:
            read = [
                (await client.get(f"{URL}/{one['id']}")).json()
                for client in (anybody, member)
                for one in (training, foreign)
            ]

        assert ["programme" in one for one in read] == [False, False, True, False]
        public = {name: value for name, value in training.items() if name != "programme"}
        assert read[0] == public
        # What the timetable shows can be booked, and not changed.
        booked = f"{URL}/{foreign['id']}/bookings"
        assert (await member.post(booked, json={"athlete_id": athlete_id})).status_code == 201
        refused = await member.post(f"{URL}/{foreign['id']}/cancel")
        assert problem(refused) == (403, "/problems/forbidden", [])


class TestDelete:
    async def test_a_training_without_bookings_can_be_deleted(self, gym: Gym) -> None:
        training = await gym.training()

        assert (await gym.client.delete(f"{URL}/{training['id']}")).status_code == 204
        assert not_found(await gym.client.get(f"{URL}/{training['id']}"))

    async def test_a_training_athlete_or_centre_with_bookings_cannot_be_deleted(
        self, gym: Gym
    ) -> None:
        training = await gym.training()
        (booking,) = await gym.book(training, await gym.athlete())
        await gym.acted(booking, "cancel")

        for path in (
            f"trainings/{training['id']}",
            f"athletes/{booking['athlete']['id']}",
            f"centres/{gym.centre_id}",
        ):
            refused = await gym.client.delete(f"{API}/{path}")
            assert problem(refused) == (409, "/problems/still-in-use", [])
