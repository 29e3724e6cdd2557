"""Builds calendars in the format of iCalendar (RFC 5545) from the rows that a statement read.

The rows are JSON: the ``name`` of the calendar, and ``events`` with ``id``, ``sequence``,
``status``, ``changed_at``, ``starts_at``, ``ends_at``, ``name``, ``coach``, ``centre``, ``address``
and ``time_zone``. The times are in UTC.
"""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from icalendar import Calendar, Event, TimezoneDaylight, TimezoneStandard, vDuration, vText

from app.core.limits import PacedLimit

FORMAT = 1
"""Raise it when the same rows give another calendar: the ETags are then others too."""
REFRESH = timedelta(hours=1)
"""How long an application should keep its copy."""
MARGIN = timedelta(days=366)
"""How long before the first and after the last event the changes of a time zone are included."""
WAIT = 10.0
"""How many seconds a request waits for its calendar at most."""


class Calendars:
    """Builds one calendar at a time in a thread: ``app.state.calendars``.

    The thread shares the processor with the event loop, so the place rests after each calendar.
    """

    def __init__(self) -> None:
        self._limit = PacedLimit(1, WAIT)

    async def build(self, rows: str) -> bytes:
        """Build a calendar; raise ``Unavailable`` if the wait times out."""
        async with self._limit.place():
            return await asyncio.to_thread(calendar_of, rows)


def calendar_of(rows: str) -> bytes:
    """Build the calendar of some rows; the same rows give the same bytes."""
    read = orjson.loads(rows)
    calendar = Calendar()
    calendar.add("prodid", "-//CrossFit API//Trainings//EN")
    calendar.add("version", "2.0")
    name = vText(read["name"])  # the library would not escape a str here
    calendar.add("name", name)  # RFC 7986
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(REFRESH))  # as Outlook reads it
    events = read["events"]
    for event in events:
        calendar.add_component(_event_of(event))
    if events:
        _add_time_zones(calendar, _day(events[0]) - MARGIN, _day(events[-1]) + MARGIN)
    built: bytes = calendar.to_ical()
    return built


def _event_of(row: dict[str, Any]) -> Event:
    event = Event()
    event.add("uid", row["id"])
    event.add("sequence", row["sequence"])
    # The rows of a calendar are published as they are, so both are the time of the last change.
    changed_at = datetime.fromisoformat(row["changed_at"])
    event.add("dtstamp", changed_at)
    event.add("last-modified", changed_at)
    starts_at, ends_at = _times_of(row)
    event.add("dtstart", starts_at)
    event.add("dtend", ends_at)
    event.add("summary", row["name"])
    event.add("location", ", ".join(filter(None, (row["centre"], row["address"]))))
    about = []
    if row["coach"] is not None:
        about.append(f"Coach: {row['coach']}")
    if row["status"] == "TENTATIVE":
        about.append("On the waitlist")  # many applications do not show the status
    if about:
        event.add("description", "\n".join(about))
    event.add("status", row["status"])
    return event


def _times_of(row: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return start and end in the zone of the centre, rounded to the seconds that RFC 5545 has.

    The second one of two equal local times, when clocks are set back, cannot be written in the zone
    (RFC 5545, 3.3.5). Both times are then in UTC.
    """
    starts_at = datetime.fromisoformat(row["starts_at"]).replace(microsecond=0)
    # Up, so that a training of less than a second has an end after its start.
    ends_at = datetime.fromisoformat(row["ends_at"]) + timedelta(microseconds=999_999)
    times = starts_at, ends_at.replace(microsecond=0)
    zone = ZoneInfo(row["time_zone"])
    local = times[0].astimezone(zone), times[1].astimezone(zone)
    return times if any(time.fold for time in local) else local


def _day(row: dict[str, Any]) -> date:
    return datetime.fromisoformat(row["starts_at"]).astimezone(UTC).date()


def _add_time_zones(calendar: Calendar, first: date, last: date) -> None:
    """Add the time zones that events refer to, in the order of their names.

    The library adds them in no certain order, which may differ from one process to another.
    """
    calendar.add_missing_timezones(first, last)
    zones = sorted(calendar.timezones, key=lambda zone: zone.tz_name)
    calendar.subcomponents[: len(zones)] = zones
    for zone in zones:
        observances: list[TimezoneStandard | TimezoneDaylight] = [*zone.standard, *zone.daylight]
        for observance in observances:
            _correct_onsets(observance)


def _correct_onsets(observance: TimezoneStandard | TimezoneDaylight) -> None:
    """Begin an observance at the local time before clocks are set forward (RFC 5545, 3.6.5).

    The library writes the local time after it: 02:00 for 01:00 in Lisbon.
    """
    gap = observance.TZOFFSETTO - observance.TZOFFSETFROM
    if gap > timedelta():
        observance.DTSTART -= gap
        later = [onset - gap for onset, _ in observance.rdates]
        if later:
            del observance["RDATE"]
            observance.add("RDATE", later)
