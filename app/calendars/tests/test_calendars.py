"""Calendars: what is in them, read by another library than the one that builds them."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from ical.calendar_stream import IcsCalendarStream
from ical.timezone import Timezone

from app.application import create_app
from app.calendars.building import Calendars, calendar_of
from app.calendars.queries import AHEAD, BACK
from app.calendars.tests.conftest import feed_of, instant, instants, read, start_of, statuses
from app.conftest import API, Json, client_of, not_found, problem
from app.core.http.tests.document import Document
from app.core.resources.fields import new_id
from app.core.settings import Settings
from app.trainings.tests.conftest import HOUR, SOON, Gym, gym

__all__ = ["gym"]

LISBON = {
    "name": "Box, Lisbon",
    "address": "12 Harbour Street; Lisbon",
    "time_zone": "Europe/Lisbon",
}
DAY = 24 * HOUR


def url_of(gym: Gym) -> str:
    return f"{API}/centres/{gym.centre_id}/calendar.ics"


class TestOfCentre:
    async def test_it_has_the_trainings_of_the_centre_as_the_api_has_them(
        self, client: AsyncClient, gym: Gym
    ) -> None:
        await client.patch(f"{API}/centres/{gym.centre_id}", json=LISBON)
        coach = "Zoë Torres, head coach; she trains people with 20 years of experience in 日本"
        first = await gym.training(coach=coach)
        cancelled = await gym.training(DAY)
        acted = await client.post(f"{API}/trainings/{cancelled['id']}/cancel")
        await gym.create("trainings", gym.plan() | {"centre_id": await other_centre(gym)})

        response = await client.get(url_of(gym))

        calendar = read(response)
        (event, gone) = calendar.events
        assert [event.uid, gone.uid] == [first["id"], cancelled["id"]]
        for found, training in ((event, first), (gone, cancelled)):
            assert instants(found) == (training["starts_at"], training["ends_at"])
            assert str(start_of(found).tzinfo) == "Europe/Lisbon"
            assert (found.summary, found.sequence) == (
                "WOD",
                training["version"] - 1 + (found is gone),
            )
            assert found.location == "Box, Lisbon, 12 Harbour Street; Lisbon"
        assert (event.description, gone.description) == (f"Coach: {coach}", None)
        assert (event.status, gone.status) == ("CONFIRMED", "CANCELLED")
        changed_at = acted.json()["updated_at"][:19]
        assert isinstance(gone.dtstamp, datetime)
        assert gone.dtstamp == gone.last_modified
        assert instant(gone.dtstamp)[:19] == changed_at
        lines = response.text.split("\r\n")
        assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
        assert {
            *("NAME:Box\\, Lisbon", "X-WR-CALNAME:Box\\, Lisbon"),
            *("REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H"),
        } <= set(lines)
        assert max(len(line.encode()) for line in lines) <= 75

    async def test_it_begins_4_weeks_ago_and_ends_12_weeks_ahead(
        self, client: AsyncClient, gym: Gym
    ) -> None:
        starts = (-BACK - HOUR, -BACK + HOUR, AHEAD - HOUR, AHEAD + HOUR)
        trainings = [await gym.training(start) for start in starts]

        calendar = read(await client.get(url_of(gym)))

        assert [event.uid for event in calendar.events] == [one["id"] for one in trainings[1:3]]

    async def test_a_change_keeps_the_uid_and_raises_the_sequence(
        self, client: AsyncClient, gym: Gym
    ) -> None:
        training, athlete = await gym.training(), await gym.athlete()
        (booking,) = await gym.book(training, athlete)
        urls = [url_of(gym), (await feed_of(client, athlete))["url"]]
        before = [await client.get(url) for url in urls]
        again = [await client.get(url) for url in urls]

        await client.patch(f"{API}/trainings/{training['id']}", json={"name": "Hills"})
        after = [await client.get(url) for url in urls]

        assert [one.content for one in again] == [one.content for one in before]
        for old, new, row in zip(before, after, (training, booking), strict=True):
            ((was,), (now,)) = (read(one).events for one in (old, new))
            assert (was.uid, was.sequence, was.summary) == (row["id"], 0, "WOD")
            assert (now.uid, now.sequence, now.summary) == (row["id"], 1, "Hills")
            assert old.headers["ETag"] != new.headers["ETag"]
        checked_in = await gym.acted(booking, "check-in")
        (event,) = read(await client.get(urls[1])).events
        assert (checked_in["version"], event.sequence) == (2, 2)

    async def test_a_copy_that_is_current_is_confirmed_before_anything_is_built(
        self, app: FastAPI, client: AsyncClient, gym: Gym, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await gym.training()
        response = await client.get(url_of(gym))
        known = {"If-None-Match": response.headers["ETag"]}

        with monkeypatch.context() as changed:
            changed.setattr(app.state.calendars, "build", None)
            confirmed = await client.get(url_of(gym), headers=known)
        await client.patch(f"{API}/centres/{gym.centre_id}", json={"address": "1 Quay"})
        moved = await client.get(url_of(gym), headers=known)

        assert (confirmed.status_code, confirmed.content) == (304, b"")
        assert read(moved).events[0].location == "Box, 1 Quay"

    async def test_everybody_reads_it_with_the_timetable(
        self, app: FastAPI, client: AsyncClient, gym: Gym, document: Document
    ) -> None:
        training = await gym.training()
        public = create_app(Settings(_env_file=None, public_read=("timetable",)))
        public.state.database = app.state.database

        async with client_of(public, document, caller=None) as stranger:
            calendar = read(await stranger.get(url_of(gym)))
            unknown = await stranger.get(f"{API}/centres/{new_id()}/calendar.ics")
        async with client_of(app, document, caller=None) as stranger:
            refused = await stranger.get(url_of(gym))

        assert [event.uid for event in calendar.events] == [training["id"]]
        assert not_found(unknown)
        assert problem(refused)[0] == 401


async def other_centre(gym: Gym) -> str:
    return str((await gym.create("centres", {"name": "Elsewhere"}))["id"])


async def test_the_calendar_of_an_athlete_has_their_bookings(client: AsyncClient, gym: Gym) -> None:
    other, athlete = await gym.athletes(2)
    full = await gym.training(3 * HOUR, capacity=1)
    await gym.book(full, other)
    trainings = [await gym.training(SOON + number * DAY) for number in range(4)]
    reserved, checked_in, gone, given_up = [
        (await gym.book(training, athlete))[0] for training in trainings
    ]
    (waiting,) = await gym.book(full, athlete)
    await client.patch(f"{API}/trainings/{trainings[0]['id']}", json={"coach": "Ana"})
    first = (await gym.book(trainings[0], other))[0]
    await gym.acted(reserved, "check-in")
    await gym.acted(given_up, "cancel")
    await client.post(f"{API}/trainings/{trainings[2]['id']}/cancel")

    response = await client.get((await feed_of(client, athlete))["url"])

    calendar = read(response)
    assert statuses(calendar) == {
        reserved["id"]: "CONFIRMED",
        checked_in["id"]: "CONFIRMED",
        gone["id"]: "CANCELLED",
        given_up["id"]: "CANCELLED",
        waiting["id"]: "TENTATIVE",
    }
    assert first["id"] not in response.text
    about = {event.uid: event.description for event in calendar.events}
    assert (about[reserved["id"]], about[waiting["id"]]) == ("Coach: Ana", "On the waitlist")
    assert "X-WR-CALNAME:Trainings of Athlete 2" in response.text


class TestTimeZones:
    @pytest.mark.parametrize(
        ("zone", "days"),
        [
            ("Europe/Lisbon", ["2026-10-25", "2027-03-28"]),
            ("Australia/Lord_Howe", ["2026-10-03", "2027-04-03"]),  # by half an hour
            ("Africa/Cairo", ["2022-12-01"]),  # set forward for the first time in the next year
        ],
        ids=["Lisbon", "Lord Howe", "Cairo"],
    )
    def test_the_instants_are_right_when_clocks_change(self, zone: str, days: list[str]) -> None:
        rows = [
            row_of(start, zone)
            for day in days
            for minutes in range(0, 36 * 60, 15)
            for start in [
                datetime.fromisoformat(f"{day}T00:00Z") + timedelta(minutes=minutes - 720)
            ]
        ]

        built = calendar_of(json.dumps({"name": "Box", "events": rows}))

        calendar = IcsCalendarStream.calendar_from_ics(built.decode())
        assert list(map(instants, calendar.events)) == [
            (row["starts_at"], row["ends_at"]) for row in rows
        ]
        (described,) = calendar.timezones
        assert described.tz_id == zone
        for start in map(start_of, calendar.events):
            if str(start.tzinfo) == zone:
                assert offset_at(start, described) == start.utcoffset()

    def test_each_time_zone_is_described_once_in_the_order_of_names(self) -> None:
        start = datetime(2026, 12, 1, 18, tzinfo=UTC)
        zones = ["Europe/Lisbon", "Asia/Tokyo", "UTC", "Africa/Lagos", "Asia/Tokyo"]

        built = calendar_of(
            json.dumps({"name": "Box", "events": [row_of(start, zone) for zone in zones]})
        )

        described = IcsCalendarStream.calendar_from_ics(built.decode()).timezones
        assert [zone.tz_id for zone in described] == ["Africa/Lagos", "Asia/Tokyo", "Europe/Lisbon"]

    def test_a_training_of_less_than_a_second_has_an_end_after_its_start(self) -> None:
        row = row_of(datetime(2026, 12, 1, 18, tzinfo=UTC), "UTC")
        row["ends_at"] = "2026-12-01T18:00:00.000001Z"

        built = calendar_of(json.dumps({"name": "Box", "events": [row]}))

        (event,) = IcsCalendarStream.calendar_from_ics(built.decode()).events
        assert instants(event) == ("2026-12-01T18:00:00.000000Z", "2026-12-01T18:00:01.000000Z")


def row_of(start: datetime, zone: str) -> Json:
    """Return a row of 15 minutes, as the statements read them."""
    return {
        "id": str(new_id()),
        "sequence": 0,
        "status": "CONFIRMED",
        "changed_at": "2026-11-28T08:00:00.000000Z",
        "starts_at": instant(start),
        "ends_at": instant(start + timedelta(minutes=15)),
        "name": "WOD",
        "coach": None,
        "centre": "Box",
        "address": None,
        "time_zone": zone,
    }


def offset_at(time: datetime, zone: Timezone) -> timedelta:
    """Return the offset that a VTIMEZONE has at a time (RFC 5545, 3.6.5)."""
    return max(begun for begun in onsets(zone) if begun[0] <= time)[1]


def onsets(zone: Timezone) -> Iterator[tuple[datetime, timedelta]]:
    """Yield when each observance begins, in UTC, and its offset."""
    for observance in (*zone.standard, *zone.daylight):
        for local in (observance.dtstart, *observance.rdate):
            assert isinstance(local, datetime)
            onset = local.replace(tzinfo=UTC) - observance.tz_offset_from.offset
            yield onset, observance.tz_offset_to.offset


async def test_calendars_are_built_one_at_a_time_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = threading.Semaphore()
    threads = set()

    def build(rows: str) -> bytes:
        assert at_once.acquire(blocking=False)
        threads.add(threading.current_thread())
        at_once.release()
        return rows.encode()

    monkeypatch.setattr("app.calendars.building.calendar_of", build)
    calendars = Calendars()

    built = await asyncio.gather(*(calendars.build(rows) for rows in ("a", "b", "c")))

    assert built == [b"a", b"b", b"c"]
    assert threading.main_thread() not in threads
