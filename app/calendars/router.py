"""The endpoints of calendars."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from app.calendars.building import FORMAT, Calendars
from app.calendars.dependencies import CalendarFeedsDep, CalendarsDep
from app.calendars.models import CalendarFeedCreated, FeedToken
from app.core.access import TIMETABLE
from app.core.errors import Erased
from app.core.http.etags import tag_of_body
from app.core.http.openapi import COMPUTES_WITHIN, ISSUES, READS, merged, problems
from app.core.http.responses import JSON, not_modified, with_secret
from app.core.http.routes import ContractRoute, SecretRoute
from app.core.http.security import PUBLIC, needs, open_to
from app.core.http.urls import link_to
from app.core.resources.fields import Id

READ = needs("trainings:read")
MAKE, REVOKE = needs("access:write", "trainings:read"), needs("access:write")

calendars = APIRouter(tags=["trainings"], route_class=ContractRoute)
secrets = APIRouter(tags=["trainings"], route_class=SecretRoute)


class CalendarResponse(Response):
    """A calendar in the format of iCalendar."""

    media_type = "text/calendar"


@calendars.get(
    "/centres/{centre_id}/calendar.ics",
    response_class=CalendarResponse,
    responses=COMPUTES_WITHIN,
    dependencies=[READ, open_to(TIMETABLE)],
)
async def get_calendar_of_centre(centre_id: Id, reader: CalendarsDep, request: Request) -> Response:
    """Read the trainings of a centre as a calendar (iCalendar, RFC 5545).

    It has the trainings that start from 4 weeks ago to 12 weeks ahead, and of more than 5,000 the
    first ones. The times are in the zone of the centre. A cancelled training is an event with
    `STATUS:CANCELLED`.
    """
    return await _calendar_response(request, await reader.of_centre(centre_id))


@secrets.post(
    "/athletes/{athlete_id}/calendar-feed",
    status_code=HTTPStatus.CREATED,
    response_model=CalendarFeedCreated,
    responses=merged(ISSUES, READS, problems(Erased)),
    dependencies=[MAKE],
)
async def create_calendar_feed(
    athlete_id: Id, feeds: CalendarFeedsDep, request: Request
) -> Response:
    """Make the URL of the calendar of an athlete, for calendar applications.

    An athlete has one feed. A new one replaces it, and the URL before ends. It is for the athlete
    and administrators.
    """
    feed = await feeds.make(athlete_id)
    below = f"{request.app.state.settings.api_v1_prefix}/athletes/{athlete_id}"
    url = f"{link_to(request.scope, f'{below}/calendar.ics')}?token={feed.secret}"
    location = {"Location": link_to(request.scope, f"{below}/calendar-feed")}
    body = with_secret(feed.resource, "url", url)
    return Response(body, HTTPStatus.CREATED, location, JSON)


@calendars.delete(
    "/athletes/{athlete_id}/calendar-feed",
    status_code=HTTPStatus.NO_CONTENT,
    responses=READS,
    dependencies=[REVOKE],
)
async def delete_calendar_feed(athlete_id: Id, feeds: CalendarFeedsDep) -> None:
    """Revoke the calendar feed of an athlete: its URL ends."""
    await feeds.revoke(athlete_id)


@calendars.get(
    "/athletes/{athlete_id}/calendar.ics",
    response_class=CalendarResponse,
    responses=COMPUTES_WITHIN,
    dependencies=[PUBLIC],
)
async def get_calendar_of_athlete(
    athlete_id: Id, token: FeedToken, reader: CalendarsDep, request: Request
) -> Response:
    """Read the bookings of an athlete as a calendar (iCalendar, RFC 5545).

    Calendar applications send no `Authorization` header, so the URL has a token, which opens
    nothing else. `POST /athletes/{athlete_id}/calendar-feed` makes it. An unknown athlete and a
    wrong token get the same 404.

    It has the trainings that start from 4 weeks ago to 12 weeks ahead. A `waitlisted` booking is an
    event with `STATUS:TENTATIVE`, and a cancelled booking or training one with `STATUS:CANCELLED`.
    """
    return await _calendar_response(request, await reader.of_athlete(athlete_id, token))


async def _calendar_response(request: Request, rows: str) -> Response:
    """Return the response with a calendar: 304 before it is built if the client has it."""
    tag = tag_of_body(f"{FORMAT} {rows}".encode())
    known = not_modified(request, tag)
    if known is not None:
        return known
    builder: Calendars = request.app.state.calendars
    return CalendarResponse(await builder.build(rows), headers={"ETag": tag})


router = APIRouter()
router.include_router(calendars)
router.include_router(secrets)
