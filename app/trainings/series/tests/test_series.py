"""Series: trainings each week, created, changed, cancelled and deleted together."""

import datetime as dt
import time
from typing import Any

import pytest
from httpx import AsyncClient

from app.conftest import API, Create, Json, conflict, not_found, problem
from app.core.resources.fields import new_id
from app.trainings.series.tests.conftest import FOUR, URL, Club, report

DAY = dt.timedelta(days=1)


class TestCreate:
    async def test_a_series_makes_its_trainings(self, client: AsyncClient, club: Club) -> None:
        week = club.weeks(name="  Evening  WOD ", coach="Ana", weekdays=[3, 1, 3])
        week["skip"] = ["2100-01-13", "2100-01-06", "2100-01-13"]

        response = await client.post(URL, json=week)

        created = response.json()
        assert response.status_code == 201
        assert response.headers["Location"] == f"{URL}/{created['id']}"
        series = {
            "id": created["id"],
            "version": 1,
            "created_at": created["created_at"],
            "updated_at": created["created_at"],
            "name": "Evening WOD",
            "coach": "Ana",
            "weekdays": [1, 3],
            "start": "18:00",
            "minutes": 60,
            "capacity": 12,
            "starts_on": "2100-01-04",
            "ends_on": "2100-01-17",
            "skip": ["2100-01-06", "2100-01-13"],
            "centre": {"id": club.centre_id, "name": "Box"},
        }
        assert created == {
            **series,
            "created": 2,
            "changed": 0,
            "cancelled": 0,
            "deleted": 0,
            "kept": [],
            "clock_changes": [],
        }
        read = await client.get(response.headers["Location"])
        assert read.json() == series
        assert read.headers["ETag"].startswith('"1-')
        first, second = await club.trainings()
        assert first == {
            "id": first["id"],
            "version": 1,
            "created_at": first["created_at"],
            "updated_at": first["created_at"],
            "name": "Evening WOD",
            "coach": "Ana",
            "starts_at": "2100-01-04T18:00:00.000000Z",
            "ends_at": "2100-01-04T19:00:00.000000Z",
            "capacity": 12,
            "status": "scheduled",
            "centre": {"id": club.centre_id, "name": "Box"},
            "seats": {"capacity": 12, "taken": 0, "waiting": 0, "over": 0, "available": 12},
            "series_id": created["id"],
            "changed_alone": False,
            "moved_from": None,
        }
        assert second["starts_at"] == "2100-01-11T18:00:00.000000Z"

    async def test_it_is_laid_out_in_the_zone_of_the_centre(
        self, client: AsyncClient, club: Club, create: Create
    ) -> None:
        lisbon = await create("centres", {"name": "Lisbon", "time_zone": "Europe/Lisbon"})
        sundays = {"weekdays": [7], "start": "01:30", "centre_id": lisbon["id"]}
        spring = {"starts_on": "2100-03-21", "ends_on": "2100-04-04"}
        autumn = {"starts_on": "2100-10-24", "ends_on": "2100-11-07"}

        skipped = await club.series(**sundays, **spring)
        repeated = await club.series(**sundays, **autumn)

        assert [skipped["clock_changes"], repeated["clock_changes"]] == [
            [
                {
                    "date": "2100-03-28",
                    "starts_at": "2100-03-28T01:30:00.000000Z",
                    "clock": "skipped",
                }
            ],
            [
                {
                    "date": "2100-10-31",
                    "starts_at": "2100-10-31T00:30:00.000000Z",
                    "clock": "repeated",
                }
            ],
        ]
        assert await club.times() == [
            "03-21T01:30",
            "03-28T01:30",
            "04-04T00:30",
            "10-24T00:30",
            "10-31T00:30",
            "11-07T01:30",
        ]

    async def test_the_same_key_creates_once(self, client: AsyncClient, club: Club) -> None:
        first, again = [
            await client.post(URL, json=club.weeks(), headers={"Idempotency-Key": "once"})
            for _ in range(2)
        ]

        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"
        assert await club.times() == FOUR

    async def test_the_error_names_the_first_training_that_does_not_fit_in_local_time(
        self, client: AsyncClient, club: Club, create: Create
    ) -> None:
        lisbon = {"name": "Lisbon", "time_zone": "Europe/Lisbon", "capacity": 20}
        centre = await create("centres", lisbon)
        for date in ("2100-07-14", "2100-07-07"):
            times: Json = {"starts_at": f"{date}T17:30:00Z", "ends_at": f"{date}T18:30:00Z"}
            await club.training(centre_id=centre["id"], capacity=9, **times)
        dates = {"starts_on": "2100-07-05", "ends_on": "2100-07-31"}

        full = await client.post(URL, json=club.weeks(centre_id=centre["id"], **dates))

        assert conflict(full) == ("/problems/centre-full", "/capacity")
        assert full.json()["errors"][0]["detail"] == (
            "The training of 2100-07-07 at 18:00 does not fit: overlapping trainings would have"
            " more seats than the capacity of the centre."
        )
        assert len(await club.trainings()) == 2
        assert (await club.read("series"))["items"] == []

    @pytest.mark.parametrize(
        ("fields", "pointer", "code"),
        [
            ({"weekdays": [2], "ends_on": "2100-01-04"}, "/weekdays", "no_day"),
            ({"ends_on": "2100-01-04", "skip": ["2100-01-04"]}, "/weekdays", "no_day"),
            ({"ends_on": "2100-01-03"}, "/ends_on", "span"),
            ({"ends_on": "2101-01-06"}, "/ends_on", "span"),
            ({"weekdays": []}, "/weekdays", "too_short"),
            ({"weekdays": [1] * 8}, "/weekdays", "too_long"),
            ({"weekdays": [0]}, "/weekdays/0", "greater_than_equal"),
            ({"weekdays": [8]}, "/weekdays/0", "less_than_equal"),
            ({"start": "24:00"}, "/start", "time_type"),
            ({"minutes": 0}, "/minutes", "greater_than_equal"),
            ({"minutes": 1441}, "/minutes", "less_than_equal"),
            ({"capacity": 0}, "/capacity", "greater_than_equal"),
            ({"skip": ["2100-02-29"]}, "/skip/0", "no_such_day"),
            ({"skip": ["2100-01-04"] * 367}, "/skip", "too_long"),
            ({"name": " "}, "/name", "text_empty"),
            ({"include_booked": True}, "/include_booked", "extra_forbidden"),
        ],
    )
    async def test_an_invalid_series_is_refused(
        self, client: AsyncClient, club: Club, fields: Json, pointer: str, code: str
    ) -> None:
        response = await client.post(URL, json=club.weeks(**fields))

        assert problem(response) == (422, "/problems/invalid", [(pointer, code)])

    async def test_it_may_end_a_year_after_its_first_day_or_after_today(self, club: Club) -> None:
        today = dt.datetime.now(dt.UTC).date()
        weekly = {"weekdays": [1]}

        await club.series(**weekly, ends_on="2101-01-05")
        old = str(today - 700 * DAY)
        latest = str(today + 366 * DAY)
        await club.series(**weekly, starts_on=old, ends_on=latest, skip=[])

    async def test_an_unknown_centre_is_a_conflict(self, client: AsyncClient, club: Club) -> None:
        response = await client.post(URL, json=club.weeks(centre_id=str(new_id())))

        assert conflict(response) == ("/problems/reference-missing", "/centre_id")

    async def test_a_year_of_five_classes_a_day_takes_at_most_a_second(
        self, client: AsyncClient, club: Club
    ) -> None:
        await client.patch(f"{API}/centres/{club.centre_id}", json={"capacity": 20})
        year = {"weekdays": [1, 2, 3, 4, 5, 6, 7], "ends_on": "2101-01-03"}
        begun = time.monotonic()

        made = [
            await club.series(**year, start=start)
            for start in ("06:30", "07:30", "12:00", "17:30", "18:30")
        ]

        taken = time.monotonic() - begun
        assert [one["created"] for one in made] == [365] * 5
        # Together they take 0.2 s on a quiet machine.
        assert taken < 3


class TestProgramme:
    async def workout(self, club: Club) -> str:
        fran = {"name": "Fran", "score_type": "time"}
        return str((await club.create("workouts", fran))["id"])

    async def test_workouts_are_added_to_the_programme(self, club: Club) -> None:
        fran = await self.workout(club)
        workouts = [
            {"workout_id": fran, "date": "2100-01-04", "notes": "Fast."},
            {"workout_id": fran, "date": "2100-01-06", "position": 2},
        ]

        await club.series(programme=workouts)

        page = await club.read(f"centres/{club.centre_id}/programme")
        assert [
            (one["date"], one["position"], one["notes"], one["workout"]["name"])
            for one in page["items"]
        ] == [("2100-01-04", 1, "Fast.", "Fran"), ("2100-01-06", 2, None, "Fran")]

    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            ({"date": "2100-01-04"}, (409, "/problems/already-taken", "/programme/1/position")),
            (
                {"date": "2100-01-06", "workout_id": str(new_id())},
                (409, "/problems/reference-missing", "/programme/1/workout_id"),
            ),
            ({"date": "2100-01-32"}, (422, "/problems/invalid", "/programme/1/date")),
        ],
    )
    async def test_an_error_points_at_the_workout_and_nothing_is_stored(
        self, client: AsyncClient, club: Club, second: Json, expected: tuple[int, str, str]
    ) -> None:
        fran = {"workout_id": await self.workout(club)}
        workouts = [{"date": "2100-01-04", **fran}, {**fran, **second}]

        response = await client.post(URL, json=club.weeks(programme=workouts))

        status, kind, ((pointer, _),) = problem(response)
        assert (status, kind, pointer) == expected
        assert await club.times() == []
        assert (await club.read("series"))["items"] == []
        assert (await club.read(f"centres/{club.centre_id}/programme"))["items"] == []


class TestUpdate:
    @pytest.mark.parametrize(
        "fields", [{"name": "Open gym"}, {"coach": "Ana"}, {"capacity": 9}, {"coach": None}]
    )
    async def test_trainings_take_over_what_they_share(self, club: Club, fields: Json) -> None:
        series = await club.series(coach="Ben")

        response = await club.patch(series, **fields)

        changed = response.json()
        assert report(response) == {"changed": 4}
        assert {**changed, "changed": 4} == {
            **series,
            **fields,
            "version": 2,
            "updated_at": changed["updated_at"],
            "created": 0,
            "changed": 4,
        }
        assert response.headers["ETag"].startswith('"2-')
        for training in await club.trainings():
            assert {name: training[name] for name in fields} == fields
            assert (training["version"], training["changed_alone"]) == (2, False)

    async def test_another_time_moves_them(self, club: Club) -> None:
        series = await club.series(weekdays=[1])

        assert await club.changed(series, start="07:15", minutes=90) == {"changed": 2}

        assert [(one["starts_at"], one["ends_at"]) for one in await club.trainings()] == [
            ("2100-01-04T07:15:00.000000Z", "2100-01-04T08:45:00.000000Z"),
            ("2100-01-11T07:15:00.000000Z", "2100-01-11T08:45:00.000000Z"),
        ]

    async def test_a_later_end_adds_trainings_and_an_earlier_one_deletes_them(
        self, club: Club
    ) -> None:
        series = await club.series()

        assert await club.changed(series, ends_on="2100-01-20") == {"created": 2}
        assert await club.times() == [*FOUR, "01-18T18:00", "01-20T18:00"]

        assert await club.changed(series, ends_on="2100-01-10") == {"deleted": 4}
        assert await club.times() == FOUR[:2]

    @pytest.mark.parametrize("ends_on", ["2100-01-03", "2101-01-06"])
    async def test_an_end_before_the_first_day_or_after_a_year_is_refused(
        self, club: Club, ends_on: str
    ) -> None:
        series = await club.series()

        response = await club.patch(series, ends_on=ends_on)

        assert problem(response) == (422, "/problems/invalid", [("/ends_on", "span")])
        assert await club.times() == FOUR

    async def test_other_weekdays_replace_trainings(self, club: Club) -> None:
        series = await club.series()
        kept = [one["id"] for one in await club.trainings()][1::2]

        done = await club.changed(series, weekdays=[3, 5])

        assert done == {"created": 2, "deleted": 2}
        trainings = await club.trainings()
        assert await club.times() == ["01-06T18:00", "01-08T18:00", "01-13T18:00", "01-15T18:00"]
        assert [one["id"] for one in trainings][::2] == kept
        assert [one["version"] for one in trainings] == [1] * 4

    async def test_a_skipped_day_has_no_training_until_it_is_removed_again(
        self, club: Club
    ) -> None:
        series = await club.series()

        assert await club.changed(series, skip=["2100-01-06"]) == {"deleted": 1}
        assert await club.times() == [FOUR[0], *FOUR[2:]]

        assert await club.changed(series, skip=["2100-01-11"]) == {"created": 1, "deleted": 1}
        assert await club.times() == [*FOUR[:2], FOUR[3]]

    async def test_trainings_that_changed_alone_are_kept(self, club: Club) -> None:
        series = await club.series()
        first, second, third, _ = await club.trainings()
        await club.alter(first, name="Holiday")
        await club.cancel(second)
        await club.alter(third, starts_at="2100-01-12T09:00:00Z", ends_at="2100-01-12T10:00:00Z")

        done = await club.changed(series, start="19:00", weekdays=[1, 2, 3])

        assert done == {
            "created": 2,
            "changed": 1,
            "kept": ["01-04 changed_alone", "01-06 changed_alone", "01-11 changed_alone"],
        }
        assert await club.times() == [
            "01-04T18:00 alone",
            "01-05T19:00",
            "01-06T18:00 cancelled alone",
            "01-12T09:00 alone",
            "01-12T19:00",
            "01-13T19:00",
        ]

    async def test_what_is_kept_says_which_training_it_is(self, club: Club) -> None:
        series = await club.series(weekdays=[1])
        first, second = await club.trainings()
        await club.alter(first, starts_at="2100-01-05T09:00:00Z", ends_at="2100-01-05T10:00:00Z")
        await club.book(second, await club.athlete())

        response = await club.patch(series, name="Other")

        assert response.json()["kept"] == [
            {
                "id": first["id"],
                "date": "2100-01-04",
                "starts_at": "2100-01-05T09:00:00.000000Z",
                "reason": "changed_alone",
            },
            {
                "id": second["id"],
                "date": "2100-01-11",
                "starts_at": "2100-01-11T18:00:00.000000Z",
                "reason": "booked",
            },
        ]

    async def test_trainings_that_were_deleted_or_cancelled_alone_are_not_made_again(
        self, club: Club
    ) -> None:
        series = await club.series()
        first, _, _, last = await club.trainings()
        await club.client.delete(f"{API}/trainings/{first['id']}")
        await club.cancel(last)

        await club.changed(series, ends_on="2100-01-10")
        done = await club.changed(series, ends_on="2100-01-17", name="Other")

        assert done == {"created": 1, "changed": 1, "kept": ["01-13 changed_alone"]}
        assert await club.times() == [*FOUR[1:3], "01-13T18:00 cancelled alone"]

    async def test_trainings_that_have_started_stay_as_they_were(self, club: Club) -> None:
        now = dt.datetime.now(dt.UTC)
        today = now.date()
        later = now + dt.timedelta(hours=3)
        series = await club.series(
            weekdays=[1, 2, 3, 4, 5, 6, 7],
            start=f"{now + dt.timedelta(hours=-3):%H:%M}",
            starts_on=str(today - 3 * DAY),
            ends_on=str(today + 3 * DAY),
        )
        past = [one for one in await club.trainings() if one["starts_at"] < later.isoformat()]

        await club.changed(series, name="Other", start=f"{later:%H:%M}")

        after = await club.trainings()
        assert after[: len(past)] == past
        assert {one["name"] for one in after[len(past) :]} == {"Other"}
        ahead = [series["id"]] * len(after)
        assert [one["series_id"] for one in after] == ahead
        assert len(after) == 7

    async def test_a_training_that_would_start_in_the_past_is_kept(self, club: Club) -> None:
        now = dt.datetime.now(dt.UTC)
        soon, ago = now + dt.timedelta(minutes=30), now - dt.timedelta(minutes=30)
        if soon.date() != ago.date():  # around midnight, on the same day in another zone
            await club.client.patch(
                f"{API}/centres/{club.centre_id}", json={"time_zone": "Etc/GMT+6"}
            )
            soon, ago = soon - dt.timedelta(hours=6), ago - dt.timedelta(hours=6)
        day = str(soon.date())
        series = await club.series(
            weekdays=[soon.isoweekday()], start=f"{soon:%H:%M}", starts_on=day, ends_on=day
        )
        (training,) = await club.trainings()
        await club.book(training, await club.athlete())

        done = await club.changed(series, start=f"{ago:%H:%M}", include_booked=True)

        assert done == {"kept": [f"{day[5:]} past"]}
        assert await club.seats(training) == (12, 1, 0, 11)

    async def test_the_error_names_the_first_that_does_not_fit_anymore(
        self, client: AsyncClient, club: Club
    ) -> None:
        await client.patch(f"{API}/centres/{club.centre_id}", json={"capacity": 20})
        series = await club.series()
        for date in ("2100-01-13", "2100-01-06"):
            times: Json = {"starts_at": f"{date}T19:00:00Z", "ends_at": f"{date}T20:00:00Z"}
            await club.training(capacity=9, **times)
        # The rows are not in the order of their dates anymore.
        await club.changed(series, name="Wod", skip=["2100-01-11"])
        await club.changed(series, name="WOD", skip=[])
        before = await club.trainings()

        response = await club.patch(series, start="18:30", name="Other")

        assert problem(response) == (409, "/problems/centre-full", [])
        assert "of 2100-01-06 at 18:30" in response.json()["detail"]
        assert await club.trainings() == before
        assert (await club.read(f"series/{series['id']}"))["version"] == 3

    async def test_a_change_has_the_room_that_it_frees(
        self, client: AsyncClient, club: Club
    ) -> None:
        await client.patch(f"{API}/centres/{club.centre_id}", json={"capacity": 12})
        days = {"weekdays": [1, 3, 5], "minutes": 1440}
        series = await club.series(**days, ends_on="2100-01-10")

        done = await club.changed(series, weekdays=[2, 4, 5, 6, 7], start="10:00")

        assert done == {"created": 4, "changed": 1, "deleted": 2}

    @pytest.mark.parametrize("fields", [{}, {"include_booked": True}, {"name": "WOD", "skip": []}])
    async def test_what_changes_nothing_writes_no_version(self, club: Club, fields: Json) -> None:
        series = await club.series()
        before = await club.trainings()

        response = await club.patch(series, **fields)

        assert response.json() == {**series, "created": 0}
        assert await club.trainings() == before

    async def test_a_stale_version_changes_nothing(self, client: AsyncClient, club: Club) -> None:
        series = await club.series()
        url = f"{URL}/{series['id']}"
        stale = {"If-Match": (await client.get(url)).headers["ETag"]}
        newer = (await client.patch(url, json={"name": "Other"}, headers=stale)).headers["ETag"]

        answers = [
            await client.patch(url, json={"name": "Third"}, headers=stale),
            await client.patch(url, json={}, headers=stale),
            await client.delete(url, headers=stale),
        ]

        assert [problem(one) for one in answers] == [(412, "/problems/precondition-failed", [])] * 3
        assert {one["name"] for one in await club.trainings()} == {"Other"}
        assert (await client.delete(url, headers={"If-Match": newer})).status_code == 204


class TestBooked:
    async def test_trainings_with_bookings_are_kept_until_they_are_included(
        self, club: Club
    ) -> None:
        series = await club.series()
        first, second, *_ = await club.trainings()
        for training in (first, second):
            await club.book(training, await club.athlete())

        done = await club.changed(series, start="19:00", weekdays=[1])

        assert done == {"changed": 1, "deleted": 1, "kept": ["01-04 booked", "01-06 booked"]}
        assert await club.times() == [*FOUR[:2], "01-11T19:00"]

        done = await club.changed(series, start="19:00", weekdays=[1], include_booked=True)

        assert done == {"changed": 1, "cancelled": 1}
        assert await club.times() == ["01-04T19:00", "01-06T18:00 cancelled", "01-11T19:00"]
        assert await club.statuses(first) == ["reserved"]
        assert await club.statuses(second) == ["cancelled"]
        moved = await club.read(f"trainings/{first['id']}")
        assert moved["moved_from"] == {
            "starts_at": first["starts_at"],
            "ends_at": first["ends_at"],
            "centre": {"id": club.centre_id, "name": "Box"},
        }
        assert moved["changed_alone"] is False

    async def test_a_training_whose_bookings_were_all_cancelled_changes_and_is_not_deleted(
        self, club: Club
    ) -> None:
        series = await club.series(weekdays=[1])
        first, second = await club.trainings()
        for training in (first, second):
            (booking,) = await club.book(training, await club.athlete())
            await club.acted(booking, "cancel")

        assert await club.changed(series, start="19:00", ends_on="2100-01-10") == {
            "changed": 1,
            "cancelled": 1,
        }
        assert await club.times() == ["01-04T19:00", "01-11T18:00 cancelled"]

        # The day is free again for a new one.
        assert await club.changed(series, ends_on="2100-01-17") == {"created": 1}
        assert await club.times() == ["01-04T19:00", "01-11T18:00 cancelled", "01-11T19:00"]

    async def test_more_seats_go_to_the_waitlist(self, club: Club) -> None:
        series = await club.series(weekdays=[1], capacity=1)
        training, _ = await club.trainings()
        await club.book(training, *await club.athletes(4))

        assert await club.changed(series, capacity=3, include_booked=True) == {"changed": 2}

        assert await club.statuses(training) == ["reserved"] * 3 + ["waitlisted"]
        assert await club.seats(training) == (3, 3, 1, 0)
        assert (await club.read(f"trainings/{training['id']}"))["changed_alone"] is False

    async def test_fewer_seats_take_none_away(self, club: Club) -> None:
        series = await club.series(weekdays=[1], capacity=3)
        training, _ = await club.trainings()
        seats = await club.book(training, *await club.athletes(4))

        assert await club.changed(series, capacity=1, include_booked=True) == {"changed": 2}

        assert (await club.read(f"trainings/{training['id']}"))["seats"] == {
            "capacity": 1,
            "taken": 3,
            "waiting": 1,
            "over": 2,
            "available": 0,
        }
        await club.acted(seats[0], "cancel")
        assert await club.statuses(training) == ["cancelled", "reserved", "reserved", "waitlisted"]

    @pytest.mark.parametrize(
        ("fields", "pointer"), [({"start": "19:00"}, "/start"), ({"minutes": 120}, "/minutes")]
    )
    async def test_nothing_changes_if_an_athlete_would_have_two_seats_at_one_time(
        self, club: Club, fields: Json, pointer: str
    ) -> None:
        series = await club.series()
        times: Json = {"starts_at": "2100-01-06T19:30:00Z", "ends_at": "2100-01-06T20:30:00Z"}
        beside = await club.training(name="Yoga", **times)
        free, busy = await club.athlete(), await club.athlete(name="Mara")
        _, training, *_ = before = [
            one for one in await club.trainings() if one["series_id"] is not None
        ]
        await club.book(before[0], free, busy)
        await club.book(training, free, busy)
        await club.book(beside, busy)
        before = await club.trainings()

        response = await club.patch(series, **fields, name="Other", include_booked=True)

        assert conflict(response) == ("/problems/athlete-busy", pointer)
        assert response.json()["errors"][0]["detail"] == (
            f'Mara ({busy}) has a seat in "Yoga" ({beside["id"]}):'
            " from 2100-01-06T19:30:00.000000Z to 2100-01-06T20:30:00.000000Z."
        )
        assert await club.trainings() == before
        assert (await club.read(f"series/{series['id']}"))["version"] == 1

    async def test_the_error_points_at_what_the_request_has(self, club: Club) -> None:
        series = await club.series(weekdays=[1])
        training, _ = await club.trainings()
        times: Json = {"starts_at": "2100-01-04T19:30:00Z", "ends_at": "2100-01-04T20:30:00Z"}
        beside, athlete = await club.training(**times), await club.athlete()
        await club.book(training, athlete)
        await club.book(beside, athlete)
        await club.changed(series, start="19:00")

        late = await club.patch(series, name="Other", include_booked=True)

        assert conflict(late) == ("/problems/athlete-busy", "/include_booked")

    async def test_an_athlete_may_have_the_seats_of_several_trainings_that_move(
        self, club: Club
    ) -> None:
        series = await club.series(weekdays=[1, 2], minutes=1440)
        athlete = await club.athlete()
        for training in await club.trainings():
            await club.book(training, athlete)

        assert await club.changed(series, start="12:00", include_booked=True) == {"changed": 4}


class TestCancel:
    async def test_trainings_from_a_day_on_are_cancelled_with_their_bookings(
        self, club: Club
    ) -> None:
        series = await club.series()
        first, _, third, fourth = await club.trainings()
        for training in (first, third):
            await club.book(training, await club.athlete())
        await club.alter(fourth, name="Holiday")
        url = f"{URL}/{series['id']}/cancel"

        response = await club.client.post(url, json={"from": "2100-01-06"})

        changed = response.json()
        assert changed == {
            **series,
            "version": 2,
            "updated_at": changed["updated_at"],
            "ends_on": "2100-01-05",
            "created": 0,
            "cancelled": 2,
            "kept": [
                {
                    "id": fourth["id"],
                    "date": "2100-01-13",
                    "starts_at": "2100-01-13T18:00:00.000000Z",
                    "reason": "changed_alone",
                }
            ],
        }
        assert response.headers["ETag"].startswith('"2-')
        assert await club.times() == [
            FOUR[0],
            f"{FOUR[1]} cancelled",
            f"{FOUR[2]} cancelled",
            f"{FOUR[3]} alone",
        ]
        assert await club.statuses(first) == ["reserved"]
        assert await club.statuses(third) == ["cancelled"]

        assert await club.cancelled(series, "2100-01-06") == {"kept": ["01-13 changed_alone"]}
        assert (await club.read(f"series/{series['id']}"))["version"] == 2

    async def test_a_cancelled_series_can_be_extended_again(self, club: Club) -> None:
        series = await club.series()
        assert await club.cancelled(series, "2099-12-01") == {"cancelled": 4}
        assert (await club.read(f"series/{series['id']}"))["ends_on"] == "2100-01-03"

        assert await club.changed(series, name="Other") == {}
        assert await club.changed(series, ends_on="2100-01-10") == {"created": 2}

        cancelled = [f"{time} cancelled" for time in FOUR]
        assert sorted(await club.times()) == sorted([*FOUR[:2], *cancelled])

    async def test_a_day_after_the_end_cancels_nothing(self, club: Club) -> None:
        series = await club.series()

        assert await club.cancelled(series, "2100-01-18") == {}

        assert (await club.read(f"series/{series['id']}"))["ends_on"] == "2100-01-17"
        assert await club.times() == FOUR

    async def test_what_has_started_is_not_cancelled(self, club: Club) -> None:
        today = dt.datetime.now(dt.UTC).date()
        series = await club.series(
            weekdays=[1, 2, 3, 4, 5, 6, 7],
            starts_on=str(today - 2 * DAY),
            ends_on=str(today + 2 * DAY),
            start="00:00",
        )

        assert await club.cancelled(series, str(today - DAY)) == {"cancelled": 2}

        statuses = [one["status"] for one in await club.trainings()]
        assert statuses == ["scheduled"] * 3 + ["cancelled"] * 2

    async def test_an_unknown_series_is_not_found(self, client: AsyncClient) -> None:
        url = f"{URL}/{new_id()}"

        assert not_found(await client.get(url))
        assert not_found(await client.patch(url, json={"name": "Other"}))
        assert not_found(await client.patch(url, json={}))
        assert not_found(await client.delete(url))
        assert not_found(await client.post(f"{url}/cancel", json={"from": "2100-01-04"}))


class TestDelete:
    async def test_it_takes_its_trainings_along(self, client: AsyncClient, club: Club) -> None:
        series = await club.series()

        response = await client.delete(f"{URL}/{series['id']}")

        assert response.status_code == 204
        assert not_found(await client.get(f"{URL}/{series['id']}"))
        assert await club.times() == []

    async def test_with_bookings_it_is_still_in_use_until_they_are_included(
        self, client: AsyncClient, club: Club
    ) -> None:
        series = await club.series()
        first, second, third, _ = await club.trainings()
        await club.book(first, await club.athlete())
        (given_up,) = await club.book(second, await club.athlete())
        await club.acted(given_up, "cancel")
        await club.alter(third, name="Holiday")
        url = f"{URL}/{series['id']}"
        before = await club.trainings()

        refused = await client.delete(url)

        assert problem(refused) == (409, "/problems/still-in-use", [])
        assert await club.trainings() == before

        assert (await client.delete(f"{url}?include_booked=true")).status_code == 204

        after = await club.trainings()
        assert [(one["id"], one["status"]) for one in after] == [
            (first["id"], "cancelled"),
            (second["id"], "cancelled"),
            (third["id"], "scheduled"),
        ]
        assert [(one["series_id"], one["changed_alone"]) for one in after] == [(None, False)] * 3
        assert await club.statuses(first) == ["cancelled"]

    async def test_what_has_started_stays_with_its_bookings(
        self, client: AsyncClient, club: Club, connection: Any
    ) -> None:
        series = await club.series(weekdays=[1])
        first, _ = await club.trainings()
        await club.book(first, await club.athlete())
        started = "UPDATE trainings SET starts_at = now(), ends_at = now() + interval '1 h'"
        await connection.execute(f"{started} WHERE id = $1", first["id"])

        assert (await client.delete(f"{URL}/{series['id']}")).status_code == 204

        (left,) = await club.trainings()
        assert (left["id"], left["status"], left["series_id"]) == (first["id"], "scheduled", None)
        assert await club.statuses(first) == ["reserved"]


class TestList:
    async def test_series_are_sorted_by_name_and_filtered_by_centre(
        self, client: AsyncClient, club: Club, create: Create
    ) -> None:
        second = await create("centres", {"name": "Second"})
        short = {"ends_on": "2100-01-04"}
        for name in ("Yoga", "abs", "Été"):
            await club.series(name=name, **short)
        await club.series(name="Barbell", centre_id=second["id"], **short)

        def names(page: Json) -> list[str]:
            return [one["name"] for one in page["items"]]

        in_order = ["abs", "Barbell", "Été", "Yoga"]
        assert names(await club.read("series?sort=name")) == in_order
        assert names(await club.read("series?sort=-name")) == in_order[::-1]
        assert names(await club.read(f"series?sort=name&centre_id={club.centre_id}")) == [
            "abs",
            "Été",
            "Yoga",
        ]
        met, following = [], f"{URL}?sort=name&limit=1&total=true"
        while following:
            page = (await client.get(following)).json()
            assert page["total"] == 4
            met += names(page)
            following = page["next"]
        assert met == in_order

    async def test_an_item_has_what_the_series_has(self, club: Club) -> None:
        series = await club.series()

        page = await club.read("series")

        assert page["items"] == [await club.read(f"series/{series['id']}")]


async def test_the_journal_has_one_event_for_each_version(club: Club, connection: Any) -> None:
    series = await club.series(weekdays=[1], ends_on="2100-01-11")
    booked, free = await club.trainings()
    await club.book(booked, await club.athlete())
    await club.changed(series, start="19:00", name="Other", include_booked=True)
    await club.changed(series, ends_on="2100-01-04")
    await club.cancelled(series, "2100-01-04")

    async def events(row: Json) -> list[tuple[Any, ...]]:
        found = await connection.fetch(
            "SELECT version, type, changed FROM events WHERE resource_id = $1 ORDER BY id",
            row["id"],
        )
        return [(one["version"], one["type"], sorted(one["changed"])) for one in found]

    assert await events(series) == [
        (1, "series.created", []),
        (2, "series.updated", ["name", "start"]),
        (3, "series.updated", ["ends_on"]),
        (4, "series.updated", ["ends_on"]),
    ]
    moved = (2, "training.updated", ["ends_at", "name", "starts_at"])
    assert await events(booked) == [
        (1, "training.created", []),
        moved,
        (3, "training.cancelled", ["status"]),
    ]
    assert await events(free) == [
        (1, "training.created", []),
        moved,
        (3, "training.deleted", []),
    ]
