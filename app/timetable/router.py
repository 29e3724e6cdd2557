"""The endpoint of the timetable."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.core.access import TIMETABLE
from app.core.http.openapi import COMPUTES_WITHIN
from app.core.http.responses import shared_response
from app.core.http.routes import ContractRoute
from app.core.http.security import needs, open_to
from app.core.resources.fields import Id
from app.timetable.dependencies import TimetableDep
from app.timetable.models import Timetable, TimetableQuery

router = APIRouter(tags=["trainings"], route_class=ContractRoute)


@router.get(
    "/centres/{centre_id}/timetable",
    response_model=Timetable,
    responses=COMPUTES_WITHIN,
    dependencies=[needs("trainings:read"), open_to(TIMETABLE)],
)
async def get_timetable(
    centre_id: Id,
    query: Annotated[TimetableQuery, Query()],
    timetables: TimetableDep,
    request: Request,
) -> Response:
    """Read a week of a centre by local days: its trainings, and its published programme.

    A training belongs to the day on which it starts there. Cancelled trainings have that `status`.
    """
    return shared_response(request, await timetables.week(centre_id, query))
