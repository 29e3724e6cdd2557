"""The endpoints of the journal."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.http.openapi import LISTS, LISTS_WITHIN
from app.core.http.responses import page_response
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, only
from app.core.resources.fields import Id
from app.journal import rights
from app.journal.dependencies import EventsDep
from app.journal.models import EventPage, EventsOfAthleteQuery, EventsQuery

router = APIRouter(tags=["events"], route_class=ContractRoute)


@router.get(
    "/events",
    response_model=EventPage,
    responses=LISTS,
    dependencies=[needs("access:read"), only(rights.READ)],
)
async def list_events(
    query: Annotated[EventsQuery, Query()], events: EventsDep, request: Request
) -> Response:
    """List the writes of all rows, the newest first: who wrote which row, and which fields.

    An owner gets those about their centres.
    """
    return page_response(request, await events.find(query))


@router.get(
    "/athletes/{athlete_id}/events",
    response_model=EventPage,
    responses=LISTS_WITHIN,
    dependencies=[needs("athletes:read")],
)
async def list_events_of_athlete(
    athlete_id: Id,
    query: Annotated[EventsOfAthleteQuery, Query()],
    events: EventsDep,
    request: Request,
) -> Response:
    """List the writes about an athlete, with those of their bookings, the newest first."""
    return page_response(request, await events.of_athlete(athlete_id, query))
