"""Reads calendars with another library than the one that builds them."""

from datetime import UTC, datetime

from httpx import AsyncClient, Response
from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event

from app.conftest import API, Json

NEVER = "A" * 43
"""A token that no feed has."""


def read(response: Response) -> Calendar:
    """Return the calendar of a response, which must be valid."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    return IcsCalendarStream.calendar_from_ics(response.text)


def start_of(event: Event) -> datetime:
    """Return when an event starts, in the zone that the calendar has it in."""
    assert isinstance(event.dtstart, datetime)
    return event.dtstart


def instants(event: Event) -> tuple[str, str]:
    """Return the start and end of an event as responses of the API have them."""
    assert isinstance(event.end, datetime)
    return instant(start_of(event)), instant(event.end)


def instant(time: datetime) -> str:
    """Return a time with a zone as responses of the API have it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def statuses(calendar: Calendar) -> dict[str | None, str | None]:
    """Return the status of each event, by its UID."""
    return {event.uid: event.status for event in calendar.events}


async def feed_of(client: AsyncClient, athlete_id: str) -> Json:
    """Make the calendar feed of an athlete."""
    response = await client.post(f"{API}/athletes/{athlete_id}/calendar-feed")
    assert response.status_code == 201, response.text
    made: Json = response.json()
    return made
